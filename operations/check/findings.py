"""What a review finds."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """error: breaks the running version, loses data, blocks while a table is read or written anew, or cannot run."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding.

    file: path as the folder was given. line, column: from 1, in characters; None where a name is at fault.
    rule: a rule of squawk, or one of ours, whose names begin with "trellis-". advice: what to do instead, if known.
    """

    file: str
    line: int | None
    column: int | None
    rule: str
    severity: Severity
    message: str
    advice: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Review:
    """The review of one database's files. files: how many were looked at."""

    files: int
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.severity is Severity.ERROR for finding in self.findings)
