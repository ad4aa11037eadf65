"""Applying migrations that run in a transaction, each together with its row in the history."""

import functools
import itertools
import time
from collections.abc import Callable, Iterator, Sequence

from trellis.migrator.connecting import Connection, roll_back, run, send
from trellis.migrator.errors import MigrationError, ServerError
from trellis.migrator.sql import Part, Statement

from .advice import add_advice, at_commit
from .batch import Frame, Message, Reader, Unit, messages
from .retry import Retry, add_holder

# Later messages hold more files while one takes less than a second.
_FIRST_SIZE = 64
_GROWTH = 8
_QUICK = 1.0
_SLOW = 5.0


class _BatchError(Exception):
    """A batch that did not come to its end.

    index: the unit at fault. error: what to tell about it. cause: what the server said.
    """

    def __init__(self, index: int, error: MigrationError, cause: ServerError) -> None:
        super().__init__(str(error))
        self.index = index
        self.error = error
        self.cause = cause


def apply_in_transactions(
    connection: Connection,
    count: int,
    make: Callable[[int], Unit],
    frame: Frame,
    applied: Callable[[Unit, int], None],
) -> None:
    """Apply `count` migrations, each in a transaction of its own, in as few round trips as it takes.

    make: gives the n-th unit. applied: called for each unit, with its milliseconds, when its commit is known.
    Raises MigrationError for the first one that fails; those before it are then committed, it and those after it not.
    """
    done = 0
    size = _FIRST_SIZE
    retry = Retry(frame.options)

    def take(unit: Unit, milliseconds: int) -> None:
        nonlocal done
        done += 1
        applied(unit, milliseconds)

    while done < count:
        first = done
        units = [make(index) for index in range(first, min(first + size, count))]
        started = time.monotonic()
        try:
            _apply_batch(connection, units, frame, take)
        except _BatchError as failure:
            if done > first:
                retry = Retry(frame.options)
            if failure.index > done - first:
                # The server reads a whole message before it runs any of it: a syntax error stops those before it too.
                before = functools.partial(_shifted, make, done)
                apply_in_transactions(connection, failure.index - (done - first), before, frame, take)
                raise failure.error from None
            if not retry.pause(failure.cause, failure.error.place):
                failure.error.hint = retry.advice(failure.cause, failure.error.hint)
                raise failure.error from None
        else:
            retry = Retry(frame.options)
            size = _next_size(size, time.monotonic() - started)


def _shifted(make: Callable[[int], Unit], by: int, index: int) -> Unit:
    return make(by + index)


def _next_size(size: int, seconds: float) -> int:
    if seconds < _QUICK:
        return size * _GROWTH
    return max(1, size // _GROWTH) if seconds > _SLOW else size


def _apply_batch(
    connection: Connection, units: Sequence[Unit], frame: Frame, applied: Callable[[Unit, int], None]
) -> None:
    reader = Reader(len(units) - 1)
    for message in _readable(connection, reader, messages(units, frame)):
        try:
            for result in send(connection, message.text):
                value = result.get_value(0, 0) if result.ntuples else None
                if reader.take(result.command_status, value):
                    applied(units[reader.done - 1], reader.milliseconds[-1])
        except ServerError as error:
            if not error.lost:
                _leave(connection, reader.done)
            index, part, statement, offset = _locate(units, reader, message, error)
            if statement is not None:
                add_holder(connection, error, part.sql(statement))
            if reader.statement == units[index].results:
                at_commit(error)
            failure = part.server_error(error, statement, offset)
            add_advice(failure, error, part.file.path.name)
            raise _BatchError(index, failure, error) from None


def _readable(connection: Connection, reader: Reader, texts: Iterator[Message]) -> Iterator[Message]:
    """The messages; when a file turns out to be another than the one that was planned, what was sent of it goes."""
    try:
        yield from texts
    except MigrationError:
        _leave(connection, reader.done)
        raise


def _leave(connection: Connection, done: int) -> None:
    """Give up the transaction that failed. Have the log written out: earlier migrations of the batch left that to its
    last commit, which will not come.
    """
    roll_back(connection)
    if done:
        run(connection, "RESET synchronous_commit; SELECT pg_catalog.pg_logical_emit_message(true, 'trellis', '')")


def _locate(
    units: Sequence[Unit], reader: Reader, message: Message, error: ServerError
) -> tuple[int, Part, Statement | None, int | None]:
    """The unit at fault, and as far as they are known its statement and the offset in its part."""
    place = None if error.position is None else message.locate(error.position)
    if place is not None:
        index, part, offset = place
        statement = next((found for found in part.statements() if found.end > offset), None)
        return index, part, statement, offset
    index = min(reader.done, len(units) - 1)
    unit = units[index]
    known = next(itertools.islice(unit.statements(), reader.statement, None), None) if reader.statement >= 0 else None
    part, statement = (next(unit.parts()), None) if known is None else known
    return index, part, statement, None
