"""Carrying a plan out, and saying what the database holds when that fails."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from psycopg.pq import ConnStatus

from trellis.migrator.connecting import Session
from trellis.migrator.errors import MigrationError, ServerError
from trellis.migrator.history import HistoryRow, Pending, Plan
from trellis.migrator.options import Options
from trellis.migrator.sql import Kind
from trellis.migrator.versions import version_key

from .batch import LOCK_LOST, Frame, Unit
from .legacy import apply_legacy
from .non_transactional import apply_alone
from .report import AppliedMigration
from .transactional import apply_in_transactions


class Execution:
    """Applies what a plan says is pending. Its session has to hold the lock.

    applied: what is done so far. current_version: newest version in the database; None when there is none.
    """

    def __init__(self, session: Session, placeholders: Mapping[str, str], options: Options) -> None:
        self._session = session
        self._placeholders = placeholders
        self._options = options
        self.applied: list[AppliedMigration] = []
        self.current_version: str | None = None

    def carry_out(self, found: Plan, rank: int) -> None:
        """Apply in order: runs of transactional migrations together, the others one at a time.

        rank: the next free installed_rank. Raises MigrationError; what was applied before stays applied.
        """
        self.current_version = found.current_version
        session = self._session
        frame = Frame(session.table, self._options, session.search_path, session.facts.time_zone)
        ranked = list(zip(found.pending, _ranks(found.pending, rank), strict=True))
        for (together, as_one), group in itertools.groupby(ranked, key=lambda pair: _together(pair[0])):
            members = list(group)
            try:
                if as_one:
                    first, *others = [self._unit(*pair) for pair in members]
                    whole = replace(first, others=others)
                    apply_in_transactions(session.connection, 1, lambda _, of=whole: of, frame, self._note)  # type: ignore[misc]
                elif together:
                    make = lambda index, of=members: self._unit(*of[index])  # noqa: E731
                    apply_in_transactions(session.connection, len(members), make, frame, self._note)
                else:
                    for pending, own_rank in members:
                        apply = apply_legacy if pending.survey.legacy else apply_alone
                        apply(session.connection, self._unit(pending, own_rank), frame, self._note)
            except (MigrationError, ServerError) as error:
                if LOCK_LOST in error.message:
                    raise MigrationError(
                        f"{LOCK_LOST}. A file gives up its own with pg_advisory_unlock(key), not with"
                        " pg_advisory_unlock_all().",
                        state=self._now(),
                    ) from None
                if isinstance(error, MigrationError):
                    kept = error.state or self._kept(error, len(members) if as_one else 1)
                    error.state = f"{kept} {self._now()}"
                raise

    def _kept(self, error: MigrationError, files: int) -> str:
        """What is left of a migration that failed in a transaction of so many files."""
        if self._session.connection.pgconn.status == ConnStatus.OK:
            also = f" and of the {files - 1} others in its transaction" if files > 1 else ""
            return f"Nothing of {Path(error.file or '').name}{also} was kept."
        return (
            "The server undoes by itself what it had not committed; the next run goes on from what the history holds."
        )

    def _now(self) -> str:
        done = len(self.applied)
        applied = f"{done} of this run's migrations {'is' if done == 1 else 'are'} applied; " if done else ""
        current = f"version {self.current_version} is current" if self.current_version else "no version is applied"
        sentence = f"{applied}{current}."
        return sentence[0].upper() + sentence[1:]

    def _note(self, whole: Unit, milliseconds: int) -> None:
        for unit in whole.members:
            self._note_one(unit, milliseconds)

    def _note_one(self, unit: Unit, milliseconds: int) -> None:
        pending = unit.pending
        self.applied.append(
            AppliedMigration(pending.version, pending.description, pending.script, pending.checksum, milliseconds)
        )
        key = pending.file.version_key
        if pending.version is not None and (self.current_version is None or key > version_key(self.current_version)):
            self.current_version = pending.version
        self._options.tell(f"{pending.script} applied in {milliseconds} ms.")

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
        return Unit(pending, row, self._placeholders, self._session.facts.conforming)


def _together(pending: Pending) -> tuple[bool, bool]:
    """Whether it may share a message with others, and whether it shares a transaction with them, as Drizzle's do."""
    together = pending.transactional and not pending.survey.legacy
    return together, together and pending.file.digest is not None


def _ranks(pending: Sequence[Pending], first: int) -> Iterator[int]:
    """The installed_rank of each: the next free one, or that of the row an interrupted run has left."""
    ranks = itertools.count(first)
    for migration in pending:
        yield next(ranks) if migration.unfinished is None else migration.unfinished.installed_rank
