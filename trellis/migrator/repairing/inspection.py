"""Looking without touching: where every migration stands, and what is wrong."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from trellis.migrator.connecting import Session, Target, readable_errors
from trellis.migrator.errors import MigrationError
from trellis.migrator.history import Examination, FileState, examine
from trellis.migrator.options import DEFAULTS, Options
from trellis.migrator.sql import discover


@dataclass(frozen=True, slots=True)
class MigrationInfo:
    """One migration and where it stands.

    version: None for a repeatable. checksum: as recorded; that of the file where nothing is recorded.
    state: pending, applied, out of order, outdated, superseded, missing, future, failed, interrupted, deleted,
        delete mark, baseline, below baseline, above target, ignored, not needed, replaced by a baseline migration.
    installed_on: in the time zone of the history table; None when not applied, and where the history does not tell, as
        Drizzle's. milliseconds: likewise.
    """

    version: str | None
    description: str
    script: str
    state: str
    checksum: int | str | None
    installed_on: datetime | None
    installed_by: str | None
    milliseconds: int | None

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON."""
        values = asdict(self)
        values["installed_on"] = None if self.installed_on is None else self.installed_on.isoformat(sep=" ")
        return values


def info(
    target: Target, folder: Path, placeholders: Mapping[str, str], options: Options = DEFAULTS
) -> tuple[MigrationInfo, ...]:
    """Every migration of the folder and of the history, applied ones in the order they were applied, then the others.

    Raises MigrationError when folder or database cannot be read.
    """
    states = _examine(target, folder, placeholders, options).states
    return tuple(_info(state) for state in sorted(states, key=_order))


def validate(
    target: Target, folder: Path, placeholders: Mapping[str, str], options: Options = DEFAULTS
) -> tuple[MigrationError, ...]:
    """Everything that stands in the way of `migrate`; nothing when it would run. Pending migrations are no complaint.

    Raises MigrationError when folder or database cannot be read.
    """
    return _examine(target, folder, placeholders, options).problems


def _examine(target: Target, folder: Path, placeholders: Mapping[str, str], options: Options) -> Examination:
    files = discover(folder)
    with Session.open(target.beside(folder)) as session, readable_errors(session, placeholders):
        history = session.read_history() if session.facts.recorded else ()
        values = {**placeholders, **session.built_in_placeholders}
        return examine(files, history, values, options, conforming=session.facts.conforming)


def _order(state: FileState) -> tuple[bool, int]:
    return (state.row is None, 0 if state.row is None else state.row.installed_rank)


def _info(state: FileState) -> MigrationInfo:
    row, file = state.row, state.file
    if row is not None:
        return MigrationInfo(
            row.version,
            row.description,
            row.script,
            state.state,
            row.checksum,
            row.installed_on,
            row.installed_by,
            None if row.installed_on is None else max(row.execution_time, 0),
        )
    if file is None:
        raise ValueError("a migration is in the folder, in the history or in both")
    return MigrationInfo(
        file.version, file.recorded_description, file.script, state.state, file.recorded_checksum, None, None, None
    )
