"""Files that are replaced as a whole, and the copy that each record has to go back to."""

import json
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

_log = logging.getLogger("localcloud.files")

Parsed = TypeVar("Parsed")


class Cut(ValueError):
    """What a file holds ends too early."""


def replace(path: Path, text: str, own: Callable[[Path], None] | None = None, *, copy: bool = False) -> None:
    """Puts `text` at `path` so that a reader, or a crash, sees the old file or the new one. Mode 0600.

    own: gives the new file to whom it belongs. copy: keep what was there for `read` to go back to.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if own is not None:
            own(temporary)
        if copy and _ends_like(path, text):
            os.link(path, f"{name}.copy")
            Path(f"{name}.copy").replace(previous(path))
        elif copy:
            replace(previous(path), text, own)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read(path: Path, parse: Callable[[str], Parsed]) -> Parsed:
    """What `parse` makes of the file or, when it raises Cut, of the copy before it. Raises OSError, ValueError."""
    try:
        return parse(path.read_text("utf-8"))
    except Cut as problem:
        if not previous(path).exists():
            raise
        found = parse(previous(path).read_text("utf-8"))
        _log.warning("%s is cut (%s). The copy before it is used: the last change is lost.", path, problem)
        return found


def record(text: str) -> dict[str, Any]:
    """The object in a JSON file that `replace` wrote with indentation. Raises Cut, ValueError."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as problem:
        raise (ValueError if text.rstrip().endswith("\n}") else Cut)(f"it is not JSON: {problem}") from problem
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"it holds no JSON object but {text[:20]!r}")
    return value


def reason(problem: ValueError) -> str:
    """What is wrong with a record, in one line."""
    # Whoever only asks whether a local cloud runs does without: it takes a quarter of the time.
    from pydantic import ValidationError

    if not isinstance(problem, ValidationError):
        return str(problem)
    first = problem.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def previous(path: Path) -> Path:
    """Where the copy of a record is."""
    return path.with_name(f"{path.name}.previous")


def _ends_like(path: Path, text: str) -> bool:
    """Whether there is a file that was not cut: then its last line is that of every other of its kind."""
    try:
        old = path.read_text("utf-8")
    except (FileNotFoundError, ValueError):
        return False
    return old.rstrip().rpartition("\n")[2] == text.rstrip().rpartition("\n")[2]


def json_lines(path: Path) -> list[dict[str, str]]:
    """The objects of a file that holds one a line, oldest first; none when there is no file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def tail(log: Path, start: int = 0, lines: int = 12) -> str:
    """The last lines of a log after byte `start`, indented, for the end of an error message."""
    try:
        with log.open("rb") as file:
            file.seek(start if start <= log.stat().st_size else 0)
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        text = ""
    last = text.splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in last) if last else "    (the log is empty)"
