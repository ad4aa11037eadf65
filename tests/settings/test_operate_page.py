"""docs/operate.md lists every check and every job of the system files, as they stand there."""

import re

import pytest

from tools import ROOT
from trellis.settings.source import read
from trellis.settings.system import System

SYSTEMS = {
    path.stem: System.model_validate(read(path, name=path.name).data)
    for path in sorted((ROOT / "systems").glob("*.yaml"))
}
ROWS = re.findall(
    r"^\| (\w+) \| `([a-z-]+)` \| (.*?) \| (.*?) \|$", (ROOT / "docs" / "operate.md").read_text(), re.MULTILINE
)


def test_every_job() -> None:
    jobs = [
        (system, name, f"`{job.cron}`", job.description)
        for system, found in SYSTEMS.items()
        for name, job in found.jobs.items()
    ]
    assert len(jobs) == 7
    assert [row for row in ROWS if row[2].startswith("`")] == jobs


def test_every_check() -> None:
    checks = [
        (system, name, check.severity) for system, found in SYSTEMS.items() for name, check in found.checks.items()
    ]
    assert len(checks) == 6
    assert sorted(row[:3] for row in ROWS if not row[2].startswith("`")) == sorted(checks)


@pytest.mark.parametrize(("system", "role"), [("tudao", "database-admin"), ("tudao", "on-call"), ("villa", "on-call")])
def test_who_is_told(system: str, role: str) -> None:
    assert role in SYSTEMS[system].roles
