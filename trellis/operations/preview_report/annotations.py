"""What a report objects to as GitHub's workflow commands, which show it at its line of a pull request."""

import os
import re
from pathlib import Path

from trellis.operations.preview_report.report import Report

# A file, with a line and a column where one is at fault.
_PLACE = re.compile(r"(?P<file>.+?)(?::(?P<line>\d+))?(?::(?P<col>\d+))?", re.DOTALL)
# What opens the text of what is wrong with a file.
_OPENING = re.compile(r"[^\s:]+:\d+(?=[,:])")


def annotations(report: Report) -> list[str]:
    """A command for each objection and for each thing that could not be found out."""
    told = [
        _command(" ".join(filter(None, (one.what, one.advice))), one.place, one.rule or "Not to be merged like this")
        for one in report.objections
    ]
    for text in report.failures:
        opening = _OPENING.match(text)
        told.append(_command(text, opening and opening[0], "The preview is not complete"))
    return list(dict.fromkeys(told))


def _command(text: str, place: str | None, title: str) -> str:
    properties: dict[str, str | None] = {"title": title}
    if place and (found := _PLACE.fullmatch(place)):
        properties = {**found.groupdict(), "file": _in_repository(found["file"]), **properties}
    given = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in properties.items() if value)
    return f"::error {given}::{_escaped(text)}"


def _in_repository(file: str) -> str:
    """A path from the root of the repository, where the project need not be."""
    path, root = Path(file).resolve(), Path(os.environ.get("GITHUB_WORKSPACE") or ".").resolve()
    return str(path.relative_to(root)) if path.is_relative_to(root) else file


def _escaped(text: str, signs: str = "") -> str:
    """Text in which no sign is one of a command's own."""
    for sign in f"%\r\n{signs}":
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text
