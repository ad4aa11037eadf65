"""What a person sees: colour, tables, progress."""

import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TextIO

from trellis.operations.errors import OperationError

_COLOURS = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}
_lock = threading.Lock()


def paint(text: str, colour: str | None, stream: TextIO | None = None) -> str:
    """The text in a colour, where the stream (stdout by default) is a terminal and NO_COLOR is not set."""
    out = sys.stdout if stream is None else stream
    if colour is None or not text or os.environ.get("NO_COLOR") or not out.isatty():
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def say(text: str = "") -> None:
    """A result, on stdout."""
    print(text, flush=True)  # noqa: T201


def tell(text: str) -> None:
    """Progress, a warning or an error, on stderr; lines of several threads do not mix."""
    with _lock:
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def teller(name: str | None) -> Callable[[str], None]:
    """Tells progress, each line with a name before it where there are several to tell apart."""
    return tell if name is None else lambda text: tell("\n".join(f"{name}: {line}" for line in text.splitlines()))


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], colour: Callable[[Sequence[str]], str | None], right: int = -1
) -> str:
    """A table as wide as its cells. colour: of a whole row. right: a column that is aligned to the right."""
    widths = [max(len(row[index]) for row in (head, *rows)) for index in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.rjust(width) if index == right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return "\n".join([paint(line(head), "bold"), *(paint(line(row), colour(row)) for row in rows)])


def agree(question: str, consequence: str, *, yes: bool) -> None:
    """Raises OperationError, with what would have been, where nobody agrees. yes: whether somebody has already."""
    if not (yes or confirm(question)):
        raise OperationError(f"{consequence} Nothing was changed. Say --yes.")


def confirm(question: str) -> bool | None:
    """Whether the person at the terminal says yes; None where nobody can be asked."""
    if not sys.stdin.isatty():
        return None
    tell(f"{question} [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
