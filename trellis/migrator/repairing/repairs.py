"""Setting the history right by hand's order: repair, and baseline."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from trellis.migrator.connecting import Session, Target, acquire, create_history, readable_errors, run
from trellis.migrator.errors import MigrationError
from trellis.migrator.history import HistoryRow, read_ledger
from trellis.migrator.options import DEFAULTS, Options
from trellis.migrator.sql import Kind, MigrationFile, discover, placeholders_for
from trellis.migrator.versions import version_key, version_text


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a repair changed in the history, each as the script's name.

    removed: rows of failed or interrupted runs. deleted: migrations the folder no longer has, now marked as deleted.
    aligned: migrations whose checksum or description was taken over from the file.
    """

    removed: tuple[str, ...]
    deleted: tuple[str, ...]
    aligned: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON."""
        return {name: list(value) for name, value in asdict(self).items()}


def repair(target: Target, folder: Path, placeholders: Mapping[str, str], options: Options = DEFAULTS) -> RepairReport:
    """Make the history agree with the folder, as Flyway's repair does. The schema itself is not touched.

    Rows of failed and interrupted migrations go: what those left behind is to be undone by hand first. Applied
    migrations without a file are marked as deleted (not with `allow_missing`). Checksums and descriptions of changed
    files are taken over.

    Raises MigrationError when folder or database cannot be read, and when there is no history.
    """
    files = discover(folder)
    with Session.open(target.beside(folder)) as session, readable_errors(session, placeholders):
        if not session.facts.recorded:
            raise MigrationError(f"There is no history {session.table} to repair.", state="Nothing was changed.")
        acquire(session.connection, session.table, options)
        history = session.read_history()
        values = {**placeholders, **session.built_in_placeholders}
        repairs = Repairs(session, files, history, values, options)
        if repairs.steps:
            run(session.connection, "BEGIN; " + "; ".join(repairs.steps) + "; COMMIT")
        return repairs.report


class Repairs:
    """The statements of a repair, and what they do."""

    def __init__(
        self,
        session: Session,
        files: tuple[MigrationFile, ...],
        history: tuple[HistoryRow, ...],
        placeholders: Mapping[str, str],
        options: Options,
    ) -> None:
        self._table = session.table
        self._user = session.facts.user
        self._rank = max((row.installed_rank for row in history if row.success), default=0)
        self._placeholders = placeholders
        self.steps: list[str] = []
        removed = [row for row in history if not row.success]
        self.steps += [self._table.delete(row.installed_rank) for row in removed]
        ledger = read_ledger([row for row in history if row.success])
        if ledger.problems:
            raise ledger.problems[0]
        by_name = {_name(file): file for file in files}
        newest = {id(entry) for entry in ledger.last_repeatables.values()}
        deleted, aligned = [], []
        for entry in ledger.entries:
            row = entry.row
            if entry.deleted or row.type in ("DELETE", "BASELINE", "SCHEMA"):
                continue
            if row.version is None and id(entry) not in newest:
                continue
            file = by_name.get(_row_name(row))
            if file is None and not options.allow_missing:
                deleted.append(row.script)
                self._mark_deleted(row)
            elif file is not None and self._align(file, row):
                aligned.append(row.script)
        self.report = RepairReport(tuple(row.script for row in removed), tuple(deleted), tuple(aligned))

    def _mark_deleted(self, row: HistoryRow) -> None:
        self._rank += 1
        mark = replace(row, installed_rank=self._rank, type="DELETE", execution_time=0, installed_by=self._user)
        self.steps.append(self._table.take_back(row, mark))

    def _align(self, file: MigrationFile, row: HistoryRow) -> bool:
        """Take checksum and description over. A repeatable's only where it was recorded before its placeholders were
        replaced: any other difference means that it is to run again.
        """
        checksum = file.checksum_with(placeholders_for(file.script, self._placeholders))
        if file.kind is Kind.REPEATABLE:
            if row.checksum == checksum or row.checksum != file.checksum:
                return False
            kind = row.type
        else:
            kind = "SQL_BASELINE" if file.kind is Kind.BASELINE else "SQL"
            if (row.checksum, row.description, row.type) == (checksum, file.recorded_description, kind):
                return False
        now = replace(row, checksum=checksum, description=file.recorded_description, type=kind)
        self.steps.append(self._table.align(row, now))
        return True


def _name(file: MigrationFile) -> tuple[Kind, object]:
    return file.kind, file.recorded_description if file.version is None else file.version_key


def _row_name(row: HistoryRow) -> tuple[Kind, object]:
    if row.version is None:
        return Kind.REPEATABLE, row.description
    kind = Kind.BASELINE if row.from_baseline_file else Kind.VERSIONED
    return kind, row.version_key


def baseline(target: Target, version: str, options: Options = DEFAULTS) -> None:
    """Write down that a database without history is at a version; migrations up to it will not run.

    Raises MigrationError when there is a history already, unless it begins with that very baseline; ValueError when
    the version is none.
    """
    key = version_key(version)
    with Session.open(target) as session, readable_errors(session, {}):
        acquire(session.connection, session.table, options)
        if not session.facts.recorded and create_history(session, version, always_baseline=True) is not None:
            return
        marks = [row for row in session.read_history() if row.type == "BASELINE"]
        if not any(row.version_key == key for row in marks):
            raise MigrationError(
                f"{session.table} already holds a history; a baseline of {version_text(version)} would contradict it.",
                state="Nothing was changed.",
            )
