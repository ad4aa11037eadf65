"""A run from end to end: look, plan, lock, plan again, apply, report."""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from psycopg.pq import ConnStatus

from migrator.alone import apply_alone
from migrator.batch import Frame, Unit
from migrator.connection import Session, Target
from migrator.creation import create_history
from migrator.errors import MigrationError
from migrator.files import Kind, MigrationFile, discover
from migrator.history import HistoryRow
from migrator.lock import acquire
from migrator.options import DEFAULTS, Options
from migrator.plan import Pending, Plan, plan
from migrator.privacy import readable_errors
from migrator.report import AppliedMigration, Report
from migrator.script import prepare
from migrator.transactional import apply_in_transactions
from migrator.versions import version_key

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
    with Session.open(target) as session, readable_errors(session, placeholders) as conceal:
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
        self._applied: list[AppliedMigration] = []
        self._current: str | None = None

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
        history = session.read_history() if session.facts.has_table else ()
        found = self._plan(history)
        initial = found.current_version
        if found.pending or not session.facts.has_table:
            acquire(session.connection, session.table, self._options)
            if not session.table_exists():
                create_history(session, self._options.baseline_version)
            locked = session.read_history()
            if locked != history:
                history, found = locked, self._plan(locked)
            self._current = found.current_version
            self._apply(found, 1 + max((row.installed_rank for row in history), default=0))
        else:
            self._current = initial
        return self._report(found, initial)

    def _plan(self, history: tuple[HistoryRow, ...]) -> Plan:
        return plan(self._files, history, self._placeholders, self._options, conforming=self._session.facts.conforming)

    def _apply(self, found: Plan, rank: int) -> None:
        """Apply in order: runs of transactional migrations together, the others one at a time."""
        session = self._session
        frame = Frame(session.table, self._options, session.search_path, session.facts.time_zone)
        ranked = list(zip(found.pending, _ranks(found.pending, rank), strict=True))
        for transactional, group in itertools.groupby(ranked, key=lambda pair: pair[0].transactional):
            members = list(group)
            try:
                if transactional:
                    make = lambda index, of=members: self._unit(*of[index])  # noqa: E731
                    apply_in_transactions(session.connection, len(members), make, frame, self._note)
                else:
                    for pending, own_rank in members:
                        apply_alone(session.connection, self._unit(pending, own_rank), frame, self._note)
            except MigrationError as error:
                error.state = " ".join(filter(None, (error.state or self._kept(error), self._now())))
                raise

    def _kept(self, error: MigrationError) -> str:
        """What is left of a migration that ran in a transaction and failed."""
        if self._session.connection.pgconn.status == ConnStatus.OK:
            return f"Nothing of {Path(error.file or '').name} was kept."
        return (
            "The server undoes by itself what it had not committed; the next run goes on from what the history holds."
        )

    def _now(self) -> str:
        done = len(self._applied)
        applied = f"{done} of this run's migrations {'is' if done == 1 else 'are'} applied; " if done else ""
        current = f"version {self._current} is current" if self._current else "no version is applied"
        sentence = f"{applied}{current}."
        return sentence[0].upper() + sentence[1:]

    def _note(self, unit: Unit, milliseconds: int) -> None:
        pending = unit.pending
        self._applied.append(
            AppliedMigration(pending.version, pending.description, pending.script, pending.checksum, milliseconds)
        )
        key = pending.file.version_key
        if pending.version is not None and (self._current is None or key > version_key(self._current)):
            self._current = pending.version
        self._options.tell(f"{pending.script} applied in {milliseconds} ms.")

    def _report(self, found: Plan, initial: str | None) -> Report:
        facts = self._session.facts
        in_force = {(row.version, row.version is None and row.description) for row in found.applied}
        in_force |= {(done.version, done.version is None and done.description) for done in self._applied}
        return Report(
            database=facts.database,
            schema=self._session.table.schema,
            server_version=facts.server_version,
            applied=tuple(self._applied),
            initial_version=initial,
            current_version=self._current,
            total_applied=len(in_force),
            warnings=found.warnings,
            restore_time=facts.time,
            restore_lsn=facts.lsn,
            milliseconds=round((time.monotonic() - self._started) * 1000),
        )

    def _unit(self, pending: Pending, rank: int) -> Unit:
        row = HistoryRow(
            installed_rank=rank,
            version=pending.version,
            description=pending.description,
            type="SQL_BASELINE" if pending.file.kind is Kind.BASELINE else "SQL",
            script=pending.script,
            checksum=pending.checksum,
            installed_by=self._session.facts.user,
        )
        return Unit(pending, prepare(pending.file, self._placeholders, self._session.facts.conforming), row)


def _ranks(pending: Sequence[Pending], first: int) -> Iterator[int]:
    """The installed_rank of each: the next free one, or that of the row an interrupted run has left."""
    ranks = itertools.count(first)
    for migration in pending:
        yield next(ranks) if migration.unfinished is None else migration.unfinished.installed_rank
