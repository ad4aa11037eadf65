"""A run from end to end: look, plan, lock, plan again, apply, report."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from trellis.migrator.connecting import Session, Target, acquire, create_history, readable_errors
from trellis.migrator.errors import MigrationError
from trellis.migrator.history import HistoryRow, Plan, plan
from trellis.migrator.options import DEFAULTS, Options
from trellis.migrator.sql import MigrationFile, discover

from .report import AppliedMigration, Report

_TOLD = frozenset({"NOTICE", "WARNING"})


def migrate(
    target: Target,
    folder: Path,
    placeholders: Mapping[str, str],
    options: Options = DEFAULTS,
) -> Report:
    """Bring a database to the state its migrations describe.

    target: the database, by its server's own port. folder: the migrations. placeholders: values for `${name}`; those
    whose name speaks of a password, secret or token never show in an error or a progress line.
    A run with nothing to do costs one connection and two round trips. Raises MigrationError; whatever was applied
    before it stays applied, and the next run goes on from there.
    """
    started = time.monotonic()
    files = discover(folder)
    target = target.beside(folder)
    with Session.open(target, options.stop) as session, readable_errors(session, placeholders) as conceal:
        return _Run(session, files, placeholders, options.with_progress_through(conceal), started).go()


class _Run:
    def __init__(
        self,
        session: Session,
        files: tuple[MigrationFile, ...],
        placeholders: Mapping[str, str],
        options: Options,
        started: float,
    ) -> None:
        self._session = session
        self._files = files
        self._placeholders = {**placeholders, **session.built_in_placeholders}
        self._options = options
        self._started = started

    def go(self) -> Report:
        """Apply what is pending."""
        session = self._session
        session.connection.add_notice_handler(
            lambda notice: (
                self._options.tell(f"{notice.severity}: {notice.message_primary}")
                if notice.severity_nonlocalized in _TOLD
                else None
            )
        )
        history = session.read_history() if session.facts.recorded else ()
        found = self._plan(history)
        initial = found.current_version
        if found.pending and session.facts.moving:
            raise MigrationError(
                f"{session.target.name} is being moved to another cluster, and its schema has to stay as it is until "
                "`trellis move finish`. Take the new files out until then.",
                state="Nothing was changed.",
            )
        if found.pending or not session.facts.has_table:
            acquire(session.connection, session.table, self._options)
            created = None if session.facts.has_table else create_history(session, self._options.baseline_version)
            locked = session.read_history() if created is None else created
            if locked != history:
                history, found = locked, self._plan(locked)
            return self._execute(found, initial, 1 + max((row.installed_rank for row in history), default=0))
        return self._report(found, initial, found.current_version, ())

    def _execute(self, found: Plan, initial: str | None, rank: int) -> Report:
        # A run with nothing to do, the most frequent one, does not load what applies migrations.
        from .execution import Execution

        execution = Execution(self._session, self._placeholders, self._options)
        execution.carry_out(found, rank)
        return self._report(found, initial, execution.current_version, execution.applied)

    def _plan(self, history: tuple[HistoryRow, ...]) -> Plan:
        return plan(self._files, history, self._placeholders, self._options, conforming=self._session.facts.conforming)

    def _report(
        self, found: Plan, initial: str | None, current: str | None, applied: Sequence[AppliedMigration]
    ) -> Report:
        facts = self._session.facts
        in_force = {(row.version, row.version is None and row.description) for row in found.applied}
        in_force |= {(done.version, done.version is None and done.description) for done in applied}
        return Report(
            database=facts.database,
            schema=self._session.target.schema,
            server_version=facts.server_version,
            applied=tuple(applied),
            initial_version=initial,
            current_version=current,
            total_applied=len(in_force),
            warnings=found.warnings,
            restore_time=facts.time,
            restore_lsn=facts.lsn,
            milliseconds=round((time.monotonic() - self._started) * 1000),
        )
