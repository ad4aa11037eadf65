"""The same work on several databases side by side; one that fails does not stop the others."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from migrator import MigrationError
from operations.databases import Database
from operations.reachable import with_advice

MOST_AT_ONCE = 4

Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What came of one database: a result, or the error."""

    database: Database
    result: Result | None = None
    error: MigrationError | None = None


def each(databases: Sequence[Database], work: Callable[[Database], Result]) -> list[Outcome[Result]]:
    """The outcome for every database, in their order; at most four at a time."""

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
    return [future.result() for future in futures]
