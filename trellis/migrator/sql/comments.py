"""Settings of a migration in the comments at its head, `-- trellis: lock_timeout=10s`. Flyway does not see them."""

import re
from dataclasses import dataclass

_LINE = re.compile(r"^[ \t]*--[ \t]*trellis:([^\r\n]*)", re.MULTILINE)
_WORD = re.compile(r"[^\s,]+")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|min|h|d)|0")
_SECONDS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400}
# PostgreSQL keeps a timeout as milliseconds in 32 bits.
_LONGEST = 2147483


@dataclass(frozen=True, slots=True)
class Comments:
    """What a migration's own comments say.

    no_transaction: it runs statement by statement, outside a transaction.
    lock_timeout, statement_timeout: seconds, 0 for no limit, in the place of the run's own; None leaves those.
    """

    no_transaction: bool = False
    lock_timeout: float | None = None
    statement_timeout: float | None = None


NO_COMMENTS = Comments()


class CommentError(Exception):
    """A comment that cannot be understood: message, and its offset in the text."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


def read_comments(head: str) -> Comments:
    """The settings in the text before a migration's first statement.

    Raises CommentError for a setting that is not known and for a time that is none.
    """
    if "trellis:" not in head:
        return NO_COMMENTS
    found: dict[str, float] = {}
    no_transaction = False
    for line in _LINE.finditer(head):
        for word in _WORD.finditer(head, line.start(1), line.end(1)):
            name, _, value = word[0].partition("=")
            if word[0] == "no-transaction":
                no_transaction = True
            elif name in ("lock_timeout", "statement_timeout"):
                found[name] = _seconds(name, value, word.start())
            else:
                raise CommentError(
                    f"{word[0]!r} is not a setting: no-transaction, lock_timeout=10s and statement_timeout=2h are.",
                    word.start(),
                )
    return Comments(no_transaction, found.get("lock_timeout"), found.get("statement_timeout"))


def misplaced_comment(gap: str) -> int | None:
    """Where a setting stands in the text between two statements, where it would have no effect; None without one."""
    line = _LINE.search(gap) if "trellis:" in gap else None
    return None if line is None else line.start()


def _seconds(name: str, value: str, offset: int) -> float:
    match = _DURATION.fullmatch(value)
    if match is None:
        raise CommentError(
            f"{name} is a time such as 500ms, 10s, 5min, 2h or 1d, or 0 for none, not {value!r}.", offset
        )
    seconds = float(match[1]) * _SECONDS[match[2]] if match[1] else 0.0
    if seconds > _LONGEST or 0 < seconds < _SECONDS["ms"]:
        raise CommentError(f"{name} can be 1ms to 24d, or 0 for none, not {value}.", offset)
    return seconds
