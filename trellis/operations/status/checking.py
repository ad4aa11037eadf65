"""The checks of the system file: each asked through its pool, as the pool's user, in a transaction that only reads."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from trellis.migrator import MigrationError
from trellis.monitoring.findings import Finding, Severity
from trellis.operations.status.ways import Way, answering

if TYPE_CHECKING:
    from trellis.settings.resolved import CheckSettings


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a check found: a number, or why there is none."""

    check: "CheckSettings"
    number: float | None = None
    error: str = ""

    @property
    def good(self) -> bool:
        """Whether the number is there and no larger than the threshold."""
        return self.number is not None and self.number <= self.check.check.threshold


def ask(check: "CheckSettings", way: Way | None) -> Answer:
    """Asks one. way: of its pool, where the stack has it."""
    if way is None:
        return Answer(check=check, error=f"the pool {check.pool} is not deployed")
    try:
        with way.target.connect() as connection, ExitStack() as ended:
            with answering(connection):
                ended.enter_context(connection.transaction(force_rollback=True))
            connection.execute("SET TRANSACTION READ ONLY")
            connection.execute(f"SET LOCAL statement_timeout = '{check.check.timeout_seconds}s'".encode())
            # In binary: a text of several statements would be one message, and could end the transaction.
            rows = connection.cursor(binary=True).execute(check.check.sql.encode()).fetchall()
        if len(rows) != 1 or len(rows[0]) != 1:
            return Answer(check=check, error=f"it gave {len(rows)} rows, and one with one number is wanted")
        return Answer(check=check, number=float(rows[0][0]))
    except MigrationError as error:
        return Answer(check=check, error=error.message)
    except psycopg.Error as error:
        return Answer(check=check, error=way.target.conceal(str(error).strip().splitlines()[0]))
    except (TypeError, ValueError):
        return Answer(check=check, error=f"it gave {rows[0][0]!r}, which is no number")


def judge(answer: Answer) -> Iterator[Finding]:
    """The finding of a check, where there is one. A check that could not be asked is as bad as what it looks for."""
    if answer.good:
        return
    asked = answer.check
    number = "" if answer.number is None else f"{answer.number:g}, and {asked.check.threshold:g} is the most"
    yield Finding(
        name=asked.name,
        severity=Severity(asked.check.severity),
        where=f"{asked.cluster}/{asked.database}",
        what=number or f"it could not be asked: {answer.error}",
        do=asked.check.do
        if answer.number is not None
        else f"Mend the check {asked.name} of the system file, or its way",
        tell=asked.tell,
    )
