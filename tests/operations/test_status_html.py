"""`trellis status --html` in a real browser: what it draws, and how a person finds it there."""

from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Browser, browser
from tests.operations.test_diagram import load
from trellis.monitoring.findings import Finding, Severity
from trellis.operations.status.asking import Answers, Figures
from trellis.operations.status.html import as_html
from trellis.operations.status.look import Page, Seen

AT = datetime(2026, 3, 1, 6, 30, tzinfo=UTC)
LONG = "SELECT count(*) FROM a_table_with_a_long_name WHERE a_column_with_a_long_name = $1 AND another_one IN ($2, $3)"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


def _statement(total: float, text: str) -> dict[str, Any]:
    return {"statement": text, "login": "monitor_user", "calls": 1000, "total": total, "mean": total / 1000}


def _seen(cluster: Any, days: int) -> Seen:
    """A cluster with so many days of history, written down in another time zone. One drill of two failed."""
    past = []
    for day in range(days, 0, -1):
        at = (AT - timedelta(days=day)).astimezone(timezone(timedelta(hours=13)))
        past.append({"kind": "status", "at": at, "bytes": (days - day) * 40_000_000 + 3e8, "connections": day % 20})
        if day % 7 == 0:
            past.append({"kind": "drill", "at": at, "ok": day % 14 == 0, "rto_seconds": 100 + day})
    database = cluster.databases[0].name
    figures = Figures(version="15.14", position="0/0", sizes={database: days * 40_000_000 + 3 * 10**8}, clients={})
    statements = [_statement(9000.5, LONG), _statement(81, "COMMIT"), _statement(7.25, "SELECT $1 < $2 & '<b>'")]
    return Seen(
        settings=cluster,
        managed=True,
        tried=(),
        server=Answers(figures=figures if days else None),
        databases={database: Answers(statements=statements if days else ())},
        facts=None,
        machine={},
        certificates={},
        logins={},
        past=past,
        checks=(),
    )


def _page() -> Page:
    settings = load("capsule", layout="per-database")
    stack: Any = Namespace(name="capsule", settings=settings)
    where = "capsule-auth-db/auth_service_db, public.a_table_with_a_long_name_a_table_with_a_long_name_of_63_letters"
    findings = [
        Finding(name=severity.value, severity=severity, where=where, what=f"{LONG} is slow", do=f"EXPLAIN {LONG}")
        for severity in reversed(Severity)
    ]
    clusters = [_seen(cluster, days) for cluster, days in zip(settings.clusters, (0, 1, 30, 400), strict=True)]
    return Page(stack=stack, at=AT, clusters=clusters, findings=findings)


def test_a_page_that_nobody_can_read_is_told(tab: Browser, tmp_path: Path) -> None:
    """The browser sees what the tests below say is not there."""
    page = tmp_path / "page.html"
    page.write_text(
        '<img src="http://192.0.2.1/"><script>missing()</script><p style="width: 2000px; color: #aaa">Wide'
        '<p style="font-size: 9px">Small<p style="margin-top: -2em">Over'
        '<svg aria-label="Plot" height="9" viewBox="0 0 1 1"><g class="series"><path d="M0 0H9"/></g></svg>'
    )
    tab.open(page, 1280, 900)
    told = "\n".join(tab.faults())
    for fault in (
        "the page is 2",
        '"Wide" has little contrast',
        '"Small" is small: 9px',
        '"Over" lies over "Small"',
        '"Plot" has a line of no contrast',
        '"Plot" leaves its plot',
        "missing is not defined",
        "ERR_PROXY_CONNECTION_FAILED",
        "asked for http://192.0.2.1/",
    ):
        assert fault in told


VIEWS: dict[str, dict[str, Any]] = {
    "wide": {"width": 1280, "height": 900},
    "dark": {"width": 1280, "height": 900, "scheme": "dark"},
    "phone": {"width": 390, "height": 844},
    "dark phone": {"width": 390, "height": 844, "scheme": "dark"},
    "paper": {"width": 794, "height": 1123, "scheme": "dark", "medium": "print"},
}


@pytest.mark.parametrize("view", VIEWS)
def test_clusters_of_any_age_are_drawn_and_can_be_read(view: str, tab: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(as_html(_page()))
    tab.open(page, **VIEWS[view])
    assert tab.faults() == []
    plots = tab.plots()
    # The first cluster was never seen, the second one for a day only, and no restore of it was proven.
    assert {title: points for title, (points, _, _) in plots.items()} == {
        "capsule-db-billing-service-db, Databases: 324 MiB of 10 GiB": 2,
        "capsule-db-billing-service-db, Connections: 0 of 22": 2,
        "capsule-db-deploy-service-db, Databases: 1.4 GiB of 10 GiB": 31,
        "capsule-db-deploy-service-db, Connections: 0 of 22": 31,
        "capsule-db-deploy-service-db, Proven restore: usable after 1.9 minutes": 2,
        "capsule-db-monitor-service-db, Databases: 15.2 GiB of 10 GiB": 401,
        "capsule-db-monitor-service-db, Connections: 0 of 22": 401,
        "capsule-db-monitor-service-db, Proven restore: usable after 1.9 minutes": 28,
    }
    assert all(width > 150 and height > 5 for _, width, height in plots.values()), plots
    bars = tab.ask("[...document.querySelectorAll('.bar')].map(one => one.getBoundingClientRect().width)")
    assert len(bars) == 9
    assert min(bars) >= 2
    text = tab.ask("document.body.innerText")
    assert text.count("Nothing is known of it yet.") == 2
    assert text.count("The first one is made by: trellis drill --stack capsule") == 2
    assert "2026-02-28 06:30\n2026-03-01 06:30" in text
    assert "7 ms SELECT $1 < $2 & '<b>'" in text
