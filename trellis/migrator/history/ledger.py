"""The history's rows read in their order: which are in force, which were deleted or run again."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from trellis.migrator.errors import MigrationError
from trellis.migrator.versions import VersionKey, is_version

from .table import BASELINE_TYPES, KNOWN_TYPES, SYNTHETIC_TYPES, HistoryRow


@dataclass(slots=True)
class Entry:
    """A row, and what later rows made of it.

    deleted: a DELETE row took it back. out_of_order: a higher version was applied before it.
    """

    row: HistoryRow
    deleted: bool = False
    out_of_order: bool = False

    @property
    def in_force(self) -> bool:
        """Whether the row says that a migration is applied."""
        return self.row.success and not self.deleted and self.row.type != "DELETE"


@dataclass(slots=True)
class Ledger:
    """The rows, sorted into versioned and repeatable.

    baseline: the version a BASELINE or SQL_BASELINE row stands for; empty when there is none.
    """

    entries: list[Entry] = field(default_factory=list)
    problems: list[MigrationError] = field(default_factory=list)
    baseline: VersionKey = ()
    current_key: VersionKey = ()
    current_version: str | None = None

    @property
    def versioned(self) -> list[Entry]:
        """Rows with a version, in the order they were written."""
        return [entry for entry in self.entries if entry.row.version is not None]

    @property
    def repeatable(self) -> list[Entry]:
        """Rows of repeatables, in the order they were written."""
        return [entry for entry in self.entries if entry.row.version is None and entry.row.type != "SCHEMA"]

    @property
    def applied_keys(self) -> frozenset[VersionKey]:
        """Versions with a row that still counts, finished or not."""
        return frozenset(
            entry.row.version_key
            for entry in self.versioned
            if not entry.deleted and entry.row.type not in ("DELETE", "BASELINE")
        )

    @property
    def last_repeatables(self) -> dict[str, Entry]:
        """For each repeatable's description its newest run."""
        return {entry.row.description: entry for entry in self.repeatable if entry.row.type != "DELETE"}

    def covers(self, key: VersionKey) -> bool:
        """Whether the baseline stands for this version."""
        return key <= self.baseline


def read_ledger(history: Sequence[HistoryRow]) -> Ledger:
    """Read the rows by rank. Rows no version of Flyway writes become problems."""
    ledger = Ledger()
    for row in sorted(history, key=lambda row: row.installed_rank):
        if row.type not in KNOWN_TYPES:
            ledger.problems.append(
                _unknown(row, f"the type {row.type!r}, which neither Flyway nor this migrator knows")
            )
        elif row.type.startswith("UNDO"):
            ledger.problems.append(_unknown(row, f"an undo ({row.script}); undo is not offered here"))
        elif row.version is not None and not is_version(row.version):
            ledger.problems.append(_unknown(row, f"{row.version!r}, which is not a version"))
        else:
            _enter(ledger, row)
    return ledger


def _enter(ledger: Ledger, row: HistoryRow) -> None:
    entry = Entry(row)
    if row.type == "DELETE":
        if row.success:
            _delete(ledger, row)
        ledger.entries.append(entry)
        _find_current(ledger)
        return
    ledger.entries.append(entry)
    if row.version is None:
        return
    key = row.version_key
    if row.type in BASELINE_TYPES and row.success:
        ledger.baseline = max(ledger.baseline, key)
    entry.out_of_order = key < ledger.current_key
    if entry.in_force and key > ledger.current_key:
        ledger.current_key, ledger.current_version = key, row.version


def _find_current(ledger: Ledger) -> None:
    rows = [entry.row for entry in ledger.entries if entry.in_force and entry.row.version is not None]
    newest = max(rows, key=lambda row: row.version_key, default=None)
    ledger.current_key = () if newest is None else newest.version_key
    ledger.current_version = None if newest is None else newest.version


def _delete(ledger: Ledger, row: HistoryRow) -> None:
    """Mark the row that a DELETE row takes back: the newest of the same version or, without one, description."""
    for entry in reversed(ledger.entries):
        same = (
            entry.row.version_key == row.version_key
            if row.version is not None
            else entry.row.version is None and entry.row.description == row.description
        )
        if same and entry.row.type not in SYNTHETIC_TYPES:
            if entry.deleted and row.version is not None:
                ledger.problems.append(_unknown(row, f"a second deletion of version {row.version}"))
            entry.deleted = True
            return


def _unknown(row: HistoryRow, what: str) -> MigrationError:
    return MigrationError(f"Row {row.installed_rank} of the migration history holds {what}.")
