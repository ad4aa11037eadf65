"""Objections and failures as GitHub's workflow commands, read back as its runner reads them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from policies.kinds import CLUSTER
from tests.operations.test_preview_report import RESIZE, SMALL, event, finding, report
from trellis.operations.check.findings import Finding, Review, Severity
from trellis.operations.preview_report.annotations import annotations
from trellis.operations.preview_report.report import Report


def _read(command: str) -> tuple[dict[str, str], str]:
    """Properties and text of a command on one line."""
    found = re.fullmatch(r"::error ([^:]*)::(.*)", command)
    assert found, command
    properties = dict(part.split("=", 1) for part in found[1].split(","))
    for sign, code in ((":", "%3A"), (",", "%2C"), ("\n", "%0A"), ("\r", "%0D"), ("%", "%25")):
        properties = {name: value.replace(code, sign) for name, value in properties.items()}
    text = found[2].replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
    return properties, text


def _reviewed(file: str, **differs: str) -> Report:
    facts = {"rule": "r", "message": "It blocks readers.", "advice": "Do not.", **differs}
    error = Finding(file=file, line=3, column=7, severity=Severity.ERROR, **facts)
    return report(review=Review(files=1, findings=(error,)))


def test_an_objection_is_told_once_at_its_line() -> None:
    (told,) = annotations(_reviewed("migrations/shop/V2__More.sql"))
    assert _read(told) == (
        {"file": "migrations/shop/V2__More.sql", "line": "3", "col": "7", "title": "r"},
        "It blocks readers. Do not.",
    )


@pytest.mark.parametrize("name", ["migrations/a, b: c/V2__100%.sql", "migrations/\nx::error file=y::z.sql"])
def test_a_name_or_a_text_cannot_make_a_command_of_its_own(name: str) -> None:
    text = "50% done,\r\n::warning::more: less"
    (told,) = annotations(_reviewed(name, message=text, rule="r,line=9:"))
    assert "\n" not in told
    properties, read = _read(told)
    assert properties == {"file": name, "line": "3", "col": "7", "title": "r,line=9:"}
    assert read == f"{text} Do not."


def test_a_file_is_told_from_the_root_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "infrastructure"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    for name in ("migrations/V2.sql", str(project / "migrations" / "V2.sql")):
        (told,) = annotations(_reviewed(name))
        assert _read(told)[0]["file"] == "infrastructure/migrations/V2.sql"


def test_what_has_no_line() -> None:
    judged = replace(
        report(event("delete", CLUSTER, "db", SMALL), finding("p", "Protects.\nIt is open.")), judge=["a b"]
    )
    told = [_read(one)[0] for one in annotations(judged)]
    assert told == [{"file": "a b", "title": "Not to be merged like this"}, {"title": "p"}, {"title": told[2]["title"]}]
    assert len(told) == len(judged.objections)


def test_what_could_not_be_found_out() -> None:
    said = "systems/villa.yaml:23, clusters.main.pools.villa-pool.size: 40 connections asked, 17 left."
    error = {"diagnosticEvent": {"severity": "error", "message": said}}
    again = {"diagnosticEvent": {"severity": "error", "message": "an unhandled error occurred: exit code: 1"}}
    (told,) = annotations(report(error, again, finished=False))
    title = "The preview is not complete"
    assert _read(told) == ({"file": "systems/villa.yaml", "line": "23", "title": title}, said)
    lost = replace(report(RESIZE), unread=["Connection refused: 1.2.3.4"])
    assert [_read(one) for one in annotations(lost)] == [({"title": title}, "Connection refused: 1.2.3.4")]


def test_nothing_is_told_of_what_may_pass() -> None:
    assert annotations(report(RESIZE)) == []
