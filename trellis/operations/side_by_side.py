"""The same work on several databases side by side; one that fails does not stop the others."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from trellis.migrator import MigrationError, Stop
from trellis.operations.connection_advice import with_advice
from trellis.operations.databases import Database

MOST_AT_ONCE = 4

# How long an interruption waits for the servers to say that they have cancelled, in seconds.
_LONGEST_FAREWELL = 10.0

Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What came of one database: a result, or the error."""

    database: Database
    result: Result | None = None
    error: MigrationError | None = None


def each(
    databases: Sequence[Database], work: Callable[[Database], Result], stop: Stop | None = None
) -> list[Outcome[Result]]:
    """The outcome for every database, in their order; at most four at a time.

    stop: set by an interruption, so that the work on every database cancels its statement.
    """

    def one(database: Database) -> Outcome[Result]:
        try:
            return Outcome(database, work(database))
        except MigrationError as error:
            return Outcome(database, error=with_advice(error, database.target))

    if len(databases) == 1:
        return [one(databases[0])]
    pool = ThreadPoolExecutor(MOST_AT_ONCE)
    # Not as a context: leaving it after an interruption would wait for every server.
    futures = [pool.submit(one, database) for database in databases]
    try:
        return [future.result() for future in futures]
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        if stop is not None:
            stop.set()
            wait(futures, _LONGEST_FAREWELL)
        raise
