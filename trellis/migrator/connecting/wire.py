"""Several statements in one message, and their answers one by one.

psycopg's cursors hand results over when all are in. Here they are read as they come, so that it is known which
statement failed and which transactions before it were committed.
"""

import select
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus

from trellis.migrator.errors import ServerError

from .connection import Connection

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult

_CANCELLED = "57014"
_CANCEL_LIMIT = 5.0

_PIECE = 1 << 20
_COPYING = (ExecStatus.COPY_IN, ExecStatus.COPY_OUT, ExecStatus.COPY_BOTH)


def send(connection: Connection, sql: str, rows: str | None = None) -> "Iterator[PGresult]":
    """Send a text of one or more statements in one message; yield each statement's result.

    rows: what a COPY ... FROM STDIN is given.

    Raises ServerError for the statement that fails; what the text holds after it is not run. When the run is to stop,
    the statement under way is cancelled and fails so. Interrupted, for example by Ctrl-C, it cancels the statement and
    waits for the server to say so.
    """
    pgconn = connection.pgconn
    if connection.stop is not None and not connection.cancelled and connection.stop.wait(0):
        connection.cancelled = True
        raise ServerError("The run was stopped", sqlstate=_CANCELLED)
    before = connection.cancelled
    try:
        pgconn.send_query(sql.encode())
        _flush(pgconn)
        while (result := _next_result(connection)) is not None:
            if result.status == ExecStatus.COPY_IN and rows is not None:
                _give(pgconn, rows)
                rows = None
                continue
            if result.status in _COPYING:
                connection.close()
                raise ServerError("COPY to or from the client cannot be part of a migration", lost=True)
            if result.status == ExecStatus.FATAL_ERROR:
                error = _error(result)
                # What follows shows whether the error was also the end of the connection.
                with suppress(psycopg.OperationalError):
                    while _next_result(connection) is not None:
                        pass
                error.lost = pgconn.status != ConnStatus.OK
                raise error
            yield result
        # A cancellation that came too late has stopped nothing yet.
        connection.cancelled = before
    except psycopg.OperationalError as error:
        raise ServerError(f"The connection to the server was lost: {str(error).strip()}", lost=True) from None
    except BaseException:
        _abandon(connection)
        raise


def run(connection: Connection, sql: str, rows: str | None = None) -> "PGresult | None":
    """Send a text, with the rows of a COPY, and wait for its end; the last statement's result."""
    last = None
    for last in send(connection, sql, rows):  # noqa: B007 - the last one is wanted
        pass
    return last


def roll_back(connection: Connection) -> None:
    """Leave the transaction a failed message was in, if it was in one."""
    if connection.pgconn.transaction_status != TransactionStatus.IDLE:
        run(connection, "ROLLBACK")


def _give(pgconn: "PGconn", rows: str) -> None:
    for start in range(0, len(rows), _PIECE):
        pgconn.put_copy_data(rows[start : start + _PIECE].encode())
        _flush(pgconn)
    pgconn.put_copy_end()
    _flush(pgconn)


def _flush(pgconn: "PGconn") -> None:
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN | select.POLLOUT)
    while pgconn.flush():
        # The server may want to be read from, for a notice, before it reads on.
        if any(event & select.POLLIN for _, event in poll.poll()):
            pgconn.consume_input()


def _next_result(connection: Connection) -> "PGresult | None":
    pgconn, stop = connection.pgconn, connection.stop
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN)
    if stop is not None and not connection.cancelled:
        poll.register(stop, select.POLLIN)
    while pgconn.is_busy():
        ready = [descriptor for descriptor, _ in poll.poll()]
        if stop is not None and stop.fileno() in ready:
            poll.unregister(stop)
            connection.cancelled = True
            with suppress(psycopg.Error):
                connection.cancel_safe(timeout=_CANCEL_LIMIT)
        if pgconn.socket not in ready:
            continue
        try:
            pgconn.consume_input()
        except psycopg.OperationalError:
            # The connection is gone; the result holds what the server may have said before.
            break
    return pgconn.get_result()


def _abandon(connection: Connection) -> None:
    """Stop what the server is doing and leave the connection fit for the next message, if it still can be."""
    pgconn = connection.pgconn
    if pgconn.status != ConnStatus.OK or pgconn.transaction_status != TransactionStatus.ACTIVE:
        return
    try:
        connection.cancel_safe(timeout=_CANCEL_LIMIT)
        while _next_result(connection) is not None:
            pass
    except psycopg.Error:
        connection.close()


def _error(result: "PGresult") -> ServerError:
    def field(name: DiagnosticField) -> str | None:
        value = result.error_field(name)
        return None if value is None else value.decode(errors="replace")

    position = field(DiagnosticField.STATEMENT_POSITION)
    primary = field(DiagnosticField.MESSAGE_PRIMARY)
    return ServerError(
        primary if primary is not None else result.error_message.decode(errors="replace").strip(),
        sqlstate=field(DiagnosticField.SQLSTATE),
        detail=field(DiagnosticField.MESSAGE_DETAIL),
        hint=field(DiagnosticField.MESSAGE_HINT),
        context=field(DiagnosticField.CONTEXT),
        position=None if position is None else int(position) - 1,
    )
