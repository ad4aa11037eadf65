"""What a run did."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class AppliedMigration:
    """One migration this run applied.

    version: None for a repeatable. script: its path below the folder. checksum: of Drizzle's a SHA-256.
    milliseconds: as in the history table; of what shares a transaction, those of all of it.
    """

    version: str | None
    description: str
    script: str
    checksum: int | str
    milliseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run found and did. It holds no secret.

    applied: what this run applied, in order.
    initial_version, current_version: newest version before and after; None when there is none.
    total_applied: migrations in force now, of this and all earlier runs.
    restore_time, restore_lsn: the moment before the first change: a restore to it undoes the run.
    milliseconds: duration of the whole run.
    """

    database: str
    schema: str
    server_version: str
    applied: tuple[AppliedMigration, ...]
    initial_version: str | None
    current_version: str | None
    total_applied: int
    warnings: tuple[str, ...]
    restore_time: datetime
    restore_lsn: str | None
    milliseconds: int

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON; the restore time in ISO 8601."""
        values = asdict(self)
        values["restore_time"] = self.restore_time.isoformat()
        values["applied"] = [asdict(migration) for migration in self.applied]
        values["warnings"] = list(self.warnings)
        return values
