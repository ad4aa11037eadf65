"""What a review finds."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from trellis.operations.check.locks import Risk
from trellis.operations.check.shadow.changes import Change
from trellis.operations.check.statements import Waiver


class Severity(StrEnum):
    """error: breaks the running version, loses data, blocks while a table is read or written anew, or cannot run."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding.

    file: path as the folder was given, or the folder. line, column: from 1, in characters; None where a name is at
    fault. rule: a rule of squawk, or one of ours, whose names begin with "trellis-". advice: what to do instead, if
    known. sqlstate: what the server called it, where it was run.
    """

    file: str
    line: int | None
    column: int | None
    rule: str
    severity: Severity
    message: str
    advice: str | None = None
    sqlstate: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """What came of running the files on a throw-away server.

    applied: scripts, in order. complete: whether all of them ran; `changes` is what the schema came to otherwise.
    milliseconds: of the migrations alone. from_files: whether what was there before comes from the files that were
    applied, not from the database itself.
    """

    server_version: str
    applied: tuple[str, ...]
    complete: bool
    changes: tuple[Change, ...]
    milliseconds: int
    from_files: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON."""
        values = {name: getattr(self, name) for name in ("server_version", "complete", "milliseconds", "from_files")}
        return {**values, "applied": list(self.applied), "changes": [one.to_dict() for one in self.changes]}


@dataclass(frozen=True, kw_only=True)
class Review:
    """The review of one database's files.

    files: how many were looked at. risks: what each statement locks of what is there already.
    shadow: None where the files were not run. waivers: what the files say is meant as it stands.
    """

    files: int
    findings: tuple[Finding, ...]
    risks: tuple[Risk, ...] = ()
    shadow: Shadow | None = None
    waivers: tuple[Waiver, ...] = ()

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.severity is Severity.ERROR for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON."""
        return {
            "ok": not self.errors,
            "files": self.files,
            "findings": [one.to_dict() for one in self.findings],
            "locks": [one.to_dict() for one in self.risks],
            "waivers": [asdict(one) for one in self.waivers],
            "shadow": self.shadow.to_dict() if self.shadow else None,
        }
