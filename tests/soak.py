"""Proofs that have a short form in every run and a long one behind `make soak`.

Such a test carries `@pytest.mark.soak(short=…, long=…)` and takes the fixture `rounds`. Its docstring says what it
proves; a long run in which nothing failed writes it to docs/proofs.md, with the rounds and the day.
"""

import re
from collections.abc import Generator
from datetime import UTC, datetime

import pytest
from _pytest.terminal import TerminalReporter

from tools import ROOT

PAGE = ROOT / "docs" / "proofs.md"
PROVEN = "soak"
_HEAD = """# Proofs

Some things can only be proven by doing them very often. `make test` does each a few times, `make soak` as often as \
stands here; it takes hours, and writes what it proved here when nothing failed.

| Proof | Rounds | Minutes | Last |
|---|---:|---:|---|
"""
_ROW = re.compile(r"^\| (?P<proof>.*) \| \d+ \| \d+ \| \S+ \|$", re.MULTILINE)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The long form."""
    parser.addoption("--soak", action="store_true", help="only the proofs that have a long form, in their long form")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out every other test of a long run, whose proofs take hours."""
    if config.getoption("--soak"):
        config.hook.pytest_deselected(items=[item for item in items if not item.get_closest_marker(PROVEN)])
        items[:] = [item for item in items if item.get_closest_marker(PROVEN)]
        for item in items:
            item.add_marker(pytest.mark.timeout(6 * 3600))


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often this run repeats the proof."""
    long = request.config.getoption("--soak")
    return int(request.node.get_closest_marker(PROVEN).kwargs["long" if long else "short"])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Hands the row of the page to the run, which may be another process."""
    report = yield
    if report.when == "call" and item.config.getoption("--soak") and (marker := item.get_closest_marker(PROVEN)):
        said = " ".join((getattr(item, "obj", item).__doc__ or item.name).split())
        last = datetime.now(UTC).date()
        row = f"| {said} | {marker.kwargs['long']} | {report.duration / 60:.0f} | {last} |"
        report.user_properties.append((PROVEN, row))
    return report


def pytest_terminal_summary(terminalreporter: TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    """Writes the page; what a run of some of them left out stays as it is."""
    if not config.getoption("--soak") or exitstatus:
        return
    reports = terminalreporter.stats.get("passed", [])
    new = [row for report in reports for name, row in report.user_properties if name == PROVEN]
    known = PAGE.read_text() if PAGE.exists() else ""
    rows = {row["proof"]: row[0] for text in (known, "\n".join(new)) for row in _ROW.finditer(text)}
    PAGE.write_text(_HEAD + "".join(f"{rows[proof]}\n" for proof in sorted(rows)))
