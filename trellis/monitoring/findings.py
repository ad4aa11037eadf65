"""What `status` has to say."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad a finding is. A note changes no exit code."""

    NOTE = "note"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for a note; more is worse."""
        return list(Severity).index(self)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it should be.

    name: of its kind, the same in every run. where: cluster, database and what in it. do: what mends it, a command
    where there is one. tell: addresses of those who are to know.
    """

    name: str
    severity: Severity
    where: str
    what: str
    do: str
    tell: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON."""
        return asdict(self)
