"""Applying a file that ends transactions of its own, or brings the rows of a COPY: statement by statement, as Flyway.

Where no transaction is open one is begun before the next statement, as the JDBC driver does under Flyway. The row in
the history is part of the file's last transaction; of a file that is one BEGIN and one COMMIT that is all of it.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from psycopg.pq import TransactionStatus

from trellis.migrator.connecting import Connection, roll_back, run
from trellis.migrator.errors import MigrationError, ServerError
from trellis.migrator.sql import Part, Statement, commits

from .advice import add_advice, at_commit
from .batch import OWN_ROLE, Frame, Unit
from .retry import add_holder

_COMMITS = (("COMMIT",), ("END",))
_TAKES_BACK = (("ROLLBACK",), ("ABORT",))


def apply_legacy(connection: Connection, unit: Unit, frame: Frame, applied: Callable[[Unit, int], None]) -> None:
    """Run the statements of a migration one by one, with its row in the history in the last transaction.

    applied: called with the milliseconds it took. Raises MigrationError for a statement that fails; what the file has
    committed before that stays, and no row says so.
    """
    started = time.monotonic()
    survey = unit.pending.survey
    kept = 0
    run(connection, f"{frame.session_reset}; {frame.timeouts('SESSION', survey.comments)}")
    last: tuple[Part, Statement] | None = None
    try:
        for index, last in enumerate(unit.statements()):
            part, statement = last
            if index == survey.statements - 1 and commits(statement.head):
                break
            if survey.transactional:
                _begin(connection, statement.head[:1])
            end = statement.rows if statement.rows is not None else statement.end
            run(connection, part.rendered.text[statement.start : end], part.rows(statement))
            word = statement.head[:1]
            if word in _COMMITS or (word not in _TAKES_BACK and _idle(connection)):
                kept = index + 1
        _begin(connection)
        run(connection, _recorded(unit, frame, started))
        try:
            run(connection, "COMMIT")
        except ServerError as error:
            at_commit(error)
            raise
    except ServerError as error:
        raise _failed(connection, unit, last, error, kept) from None
    except MigrationError as error:
        roll_back(connection)
        error.state = _state(unit, kept)
        raise
    applied(unit, _milliseconds(started))


def _idle(connection: Connection) -> bool:
    return connection.pgconn.transaction_status == TransactionStatus.IDLE


def _begin(connection: Connection, head: tuple[str, ...] = ()) -> None:
    if _idle(connection) and head not in (("BEGIN",), ("START",)):
        run(connection, "BEGIN")


def _recorded(unit: Unit, frame: Frame, started: float) -> str:
    """The row in the history, in the place of one that an interrupted run has left."""
    row = replace(unit.row, execution_time=_milliseconds(started))
    before = f"{frame.table.delete(row.installed_rank)}; " if unit.pending.unfinished else ""
    return f"{OWN_ROLE}{before}{frame.table.insert(row, installed_on=frame.clock)}"


def _milliseconds(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _failed(
    connection: Connection, unit: Unit, last: tuple[Part, Statement] | None, error: ServerError, kept: int
) -> MigrationError:
    if not error.lost:
        roll_back(connection)
    part, statement = last if last is not None else (next(unit.parts()), None)
    if statement is not None:
        add_holder(connection, error, part.sql(statement))
    offset = None if error.position is None or statement is None else statement.start + error.position
    failure = part.server_error(error, statement, offset)
    failure.state = _state(unit, kept)
    add_advice(failure, error, part.file.path.name)
    return failure


def _state(unit: Unit, kept: int) -> str | None:
    """What stays of a file that failed; None where that is nothing."""
    if not kept:
        return None
    name, statements = unit.pending.file.path.name, unit.pending.survey.statements
    return (
        f"The first {kept} of {statements} statements of {name} stay, for the file itself has committed them, and the"
        " history does not have it: the next run begins it anew. Undo them by hand first."
    )
