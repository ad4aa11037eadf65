"""Applying a migration that cannot run in one transaction: statement by statement, remembering how far it came.

Its history row is written first, with success false, and carries the progress (see `history.Unfinished`). A statement
that may run in a transaction shares one with the note that it is done. For one that may not, the row says that it was
begun; the next run then finds out whether it had taken effect.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from trellis.migrator.connecting import Connection, roll_back, run, send
from trellis.migrator.errors import MigrationError, ServerError
from trellis.migrator.history import Unfinished, literal
from trellis.migrator.sql import (
    DONE_BEFORE,
    IndexBuild,
    NonTransactional,
    Part,
    Statement,
    index_build,
    may_commit,
    non_transactional_kind,
    sets_session,
)

from .advice import at_commit, refuses_transaction
from .batch import OWN_ROLE, OWN_STATEMENTS, Frame, Unit
from .indexes import Index, drop_invalid, find_index, reindex_leftovers
from .retry import Retry, add_holder

# The partition was detached the first time; its detachment was begun and needs FINALIZE, or cannot be.
_NOT_A_PARTITION = "42P01"
_DETACH_PENDING = "55000"


def apply_alone(connection: Connection, unit: Unit, frame: Frame, applied: Callable[[Unit, int], None]) -> None:
    """Run a migration's statements one by one, from where an earlier run stopped.

    applied: called with the milliseconds this run took when all are done.
    Raises MigrationError for a statement that fails; the row in the history then says how many before it are done.
    """
    _AloneRun(connection, unit, frame).go(applied)


class _AloneRun:
    def __init__(self, connection: Connection, unit: Unit, frame: Frame) -> None:
        self._connection = connection
        self._unit = unit
        self._frame = frame
        self._options = frame.options
        self._comments = unit.pending.survey.comments
        row = unit.pending.unfinished
        self._progress = (row.unfinished if row is not None else None) or Unfinished(0, False)

    def go(self, applied: Callable[[Unit, int], None]) -> None:
        started = time.monotonic()
        self._begin()
        for index, (part, statement) in enumerate(self._unit.statements()):
            if index < self._progress.done:
                if sets_session(statement.head):
                    run(self._connection, part.sql(statement))
                continue
            try:
                self._step(index, part, statement)
            except ServerError as error:
                raise self._failed(index, part, statement, error) from None
            except MigrationError as error:
                error.file = error.file or str(part.file.path)
                error.state = error.state or self._state(index, part, statement)
                raise
        milliseconds = round((time.monotonic() - started) * 1000)
        done = f"success = true, execution_time = {milliseconds}, installed_on = {self._frame.clock}"
        self._own(self._frame.table.update(self._unit.row.installed_rank, done))
        applied(self._unit, milliseconds)

    def _begin(self) -> None:
        """Make the session ready; write the row, or take over that of the run before."""
        table, row = self._frame.table, self._unit.row
        run(self._connection, f"{self._frame.session_reset}; {self._frame.timeouts('SESSION', self._comments)}")
        if self._unit.pending.unfinished is None:
            row = replace(row, success=False, execution_time=self._progress.execution_time)
            self._own(table.insert(row, installed_on=self._frame.clock))
        else:
            total = self._unit.pending.survey.statements
            self._options.tell(
                f"{row.script}: {self._progress.done} of {total} statements were done when the last run stopped; going"
                " on from there."
            )
            self._own(table.update(row.installed_rank, f"checksum = {literal(row.checksum)}"))

    def _step(self, index: int, part: Part, statement: Statement) -> None:
        kind = non_transactional_kind(statement.head)
        retry = Retry(self._options)
        while True:
            try:
                if kind is not None:
                    self._outside(index, part.sql(statement), kind, statement)
                elif may_commit(statement.head):
                    self._uncertain(index, part, statement)
                else:
                    self._inside(index, part.sql(statement))
            except ServerError as error:
                if kind is None and refuses_transaction(error):
                    # Its words do not tell: REINDEX of a table is refused where that has partitions.
                    kind = NonTransactional.REPEATABLE
                    continue
                add_holder(self._connection, error, part.sql(statement))
                if not retry.pause(error, part.server_error(error, statement).place):
                    error.hint = retry.advice(error, error.hint)
                    raise
            else:
                return

    def _inside(self, index: int, sql: str) -> None:
        """A statement and the note that it is done, in one transaction."""
        message = f"BEGIN; {sql}\n;{OWN_ROLE}{self._note(Unfinished(index + 1, False))}; COMMIT"
        done = 0
        try:
            for done, _ in enumerate(send(self._connection, message), start=1):  # noqa: B007 - it is wanted below
                pass
        except ServerError as error:
            if done == 2 + OWN_STATEMENTS:
                at_commit(error)
            if error.position is not None:
                error.position -= len("BEGIN; ")
            if not error.lost:
                roll_back(self._connection)
            raise
        self._progress = Unfinished(index + 1, False)

    def _uncertain(self, index: int, part: Part, statement: Statement) -> None:
        """CALL and DO: they may commit on their own, and nobody can tell afterwards how far they came."""
        if self._progress.begun:
            rank = self._unit.row.installed_rank
            again, past = (Unfinished(done, False).execution_time for done in (index, index + 1))
            table = self._frame.table
            error = part.error(
                "An earlier run was cut off while this statement ran, and whether it took effect cannot be told",
                statement.start,
                statement,
            )
            error.hint = (
                f"To have it run again: {table.update(rank, f'execution_time = {again}')};\n"
                f"To go on after it: {table.update(rank, f'execution_time = {past}')};"
            )
            raise error
        self._mark(Unfinished(index, True))
        try:
            run(self._connection, part.sql(statement))
        except ServerError as error:
            self._give_up(index, error)
            raise
        self._mark(Unfinished(index + 1, False))

    def _outside(self, index: int, sql: str, kind: NonTransactional, statement: Statement) -> None:
        """A statement that refuses a transaction block."""
        build = index_build(statement.head) if kind is NonTransactional.CREATE_INDEX else None
        again = self._progress.begun
        known: frozenset[Index] = frozenset()
        if kind is NonTransactional.REINDEX:
            if again:
                self._drop_leftovers(known)
            known = frozenset(reindex_leftovers(self._connection))
        if build is not None and self._is_built(build, again):
            self._mark(Unfinished(index + 1, False))
            return
        self._mark(Unfinished(index, True))
        if self._comments.lock_timeout is None:
            run(self._connection, f"SET lock_timeout = {round(self._options.concurrent_lock_timeout * 1000)}")
        try:
            run(self._connection, sql)
        except ServerError as error:
            if not self._was_done(error, kind, sql, again):
                self._clean_up(error, kind, build, known)
                self._give_up(index, error)
                raise
        run(self._connection, self._frame.timeouts("SESSION", self._comments))
        self._mark(Unfinished(index + 1, False))

    def _is_built(self, build: IndexBuild, again: bool) -> bool:
        """Whether an earlier run has already built the index; an INVALID one it left is dropped."""
        index = find_index(self._connection, build)
        if index is None:
            return False
        if not index.valid:
            drop_invalid(self._connection, index, self._options)
            return False
        return again

    def _was_done(self, error: ServerError, kind: NonTransactional, sql: str, again: bool) -> bool:
        """Whether the error says that an earlier try had done the work; a detachment left pending is finished."""
        if kind is NonTransactional.DETACH_PARTITION and error.sqlstate == _DETACH_PENDING:
            return self._finalize(sql)
        expected = _NOT_A_PARTITION if kind is NonTransactional.DETACH_PARTITION else DONE_BEFORE.get(kind)
        return again and expected is not None and error.sqlstate == expected

    def _finalize(self, sql: str) -> bool:
        """Finish a detachment that is pending; whether there was one to finish."""
        try:
            run(self._connection, f"{sql.rstrip().rstrip(';').rstrip()[: -len('CONCURRENTLY')]} FINALIZE")
        except ServerError as error:
            if error.sqlstate == _DETACH_PENDING:
                return False
            raise
        return True

    def _clean_up(
        self, error: ServerError, kind: NonTransactional, build: IndexBuild | None, known: frozenset[Index]
    ) -> None:
        """Drop what a failed build has left. Where that fails too, the next try or the next run does it."""
        if error.lost:
            return
        try:
            if build is not None:
                index = find_index(self._connection, build)
                if index is not None and not index.valid:
                    drop_invalid(self._connection, index, self._options)
            elif kind is NonTransactional.REINDEX:
                self._drop_leftovers(known)
        except ServerError as second:
            error.hint = f"The half-built index stays behind, INVALID, until the next try: {second.message}."

    def _drop_leftovers(self, known: frozenset[Index]) -> None:
        for index in frozenset(reindex_leftovers(self._connection)) - known:
            drop_invalid(self._connection, index, self._options)

    def _give_up(self, index: int, error: ServerError) -> None:
        """Note that the statement, which the server refused, is not under way any more."""
        if not error.lost:
            self._mark(Unfinished(index, False))

    def _note(self, progress: Unfinished) -> str:
        return self._frame.table.update(self._unit.row.installed_rank, f"execution_time = {progress.execution_time}")

    def _mark(self, progress: Unfinished) -> None:
        self._own(self._note(progress))
        self._progress = progress

    def _own(self, sql: str) -> None:
        """Write to the history as the user who connected."""
        run(self._connection, f"BEGIN; {OWN_ROLE}{sql}; COMMIT")

    def _failed(self, index: int, part: Part, statement: Statement, error: ServerError) -> MigrationError:
        offset = None if error.position is None else statement.start + error.position
        failure = part.server_error(error, statement, offset)
        failure.state = self._state(index, part, statement)
        if error.lost and self._progress.begun:
            failure.state += " Whether it had taken effect is found out then."
        return failure

    def _state(self, index: int, part: Part, statement: Statement) -> str:
        name = part.file.path.name
        line, _ = part.place(statement.start)
        kept = (
            f"The first {index} of {self._unit.pending.survey.statements} statements of {name} are done and stay"
            if index
            else f"Nothing of {name} was kept"
        )
        return f"{kept}; it runs outside a transaction, and the next run goes on from line {line}."
