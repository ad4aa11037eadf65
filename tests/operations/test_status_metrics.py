"""`trellis status` in Prometheus' text format: what no server is needed for."""

from argparse import Namespace
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from trellis.monitoring.findings import Finding, Severity
from trellis.operations.status.asking import Answers, Figures
from trellis.operations.status.look import Seen
from trellis.operations.status.metrics import as_metrics
from trellis.settings.catalogue import PLANS
from trellis.settings.cluster import PoolMode
from trellis.settings.resolved import PoolSettings


def _page(*findings: Finding) -> Any:
    stack = Namespace(name="prod", settings=Namespace(jobs=()))
    return Namespace(stack=stack, at=datetime(2026, 1, 31, tzinfo=UTC), clusters=(), findings=findings)


def _finding(**changed: Any) -> Finding:
    usual = {
        "name": "slow-statement",
        "severity": Severity.WARNING,
        "where": "db/shop",
        "what": "slow",
        "do": "EXPLAIN",
    }
    return Finding(**{**usual, **changed})


def test_several_findings_of_one_place_are_one_series() -> None:
    lines = as_metrics(_page(_finding(what="one"), _finding(what="two"), _finding(what="two"))).splitlines()
    which = 'stack="prod",finding="slow-statement",severity="warning",where="db/shop"'
    assert [line for line in lines if line.startswith("trellis_finding{")] == [f"trellis_finding{{{which}}} 1"]
    assert [line for line in lines if line.startswith("trellis_finding_told{")] == [
        f'trellis_finding_told{{{which},what="one",do="EXPLAIN"}} 1',
        f'trellis_finding_told{{{which},what="two",do="EXPLAIN"}} 1',
    ]
    assert 'trellis_findings{stack="prod",severity="warning"} 3' in lines
    assert 'trellis_findings{stack="prod",severity="critical"} 0' in lines


def test_a_pool_s_clients_come_in_by_the_login_that_serves() -> None:
    pool = PoolSettings(name="web", database="shop", user="shop_app", mode=PoolMode.TRANSACTION, size=17)
    figures = Figures(version="17", position="0/0", sizes={}, clients={("shop_app_2", "shop"): (4, 3)})
    cluster: Any = Namespace(
        name="db",
        pools=(pool,),
        plan=PLANS["db-s-1vcpu-1gb"],
        serving=lambda role: {"shop_app": "shop_app_2"}[role],
    )
    usual: dict[str, Any] = dict.fromkeys((one.name for one in fields(Seen)), ())
    seen = Seen(
        **{**usual, "settings": cluster, "server": Answers(figures=figures), "databases": {}, "certificates": {}}
    )
    page = _page()
    page.clusters = (seen,)
    text = as_metrics(page)
    assert 'trellis_pool_busy{stack="prod",cluster="db",pool="web"} 3' in text


def test_quotes_are_escaped_and_details_stay() -> None:
    text = as_metrics(
        _page(_finding(where='db/shop, "Odd\\name"', what="it failed\nDETAIL: Key (email)=(a@b.example)"))
    )
    assert r'where="db/shop, \"Odd\\name\"",what="it failed",do=' in text
    assert "a@b.example" not in text


def test_every_line_of_a_metric_stands_together_below_its_help() -> None:
    lines = as_metrics(_page(_finding())).splitlines()
    assert lines[:3] == [
        "# HELP trellis_looked_timestamp_seconds When `trellis status` looked",
        "# TYPE trellis_looked_timestamp_seconds gauge",
        'trellis_looked_timestamp_seconds{stack="prod"} 1769817600',
    ]
    assert len([line for line in lines if line.startswith("# TYPE")]) == 4
