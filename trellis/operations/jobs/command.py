"""The subcommand `jobs`."""

import json
import threading
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg

from trellis.migrator import MigrationError, Target
from trellis.operations.connection_advice import with_advice
from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.jobs import runs
from trellis.operations.status.look import opened
from trellis.operations.status.ways import Way, ways
from trellis.operations.terminal import paint, say
from trellis.settings.cron import Cron

if TYPE_CHECKING:
    from trellis.settings.resolved import JobSettings

_CANCEL_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a job. ok: None where it was not run, because nothing was due or another run is at it."""

    job: str
    where: str
    ok: bool | None
    message: str
    seconds: float = 0


def run(options: Namespace) -> int:
    """Runs the jobs that the arguments name, one after the other; the exit code is 1 when one failed."""
    if bool(options.names) == options.due:
        raise WrongCall("Name the jobs that are to run, or say --due for those whose time has come.")
    with opened(options) as stack:
        known = {one.name: one for one in stack.settings.jobs}
        for name in options.names:
            if name not in known:
                listed = ", ".join(known) or "none"
                raise WrongCall(f"There is no job {name!r} in {stack.settings.system}. Known: {listed}.")
        chosen = [known[name] for name in options.names] if options.names else list(known.values())
        reached = {
            (way.cluster, way.kind, way.name): way
            for cluster in stack.settings.clusters
            for way in ways(cluster, stack.outputs, stack.folder)
        }
        outcomes = []
        for job in chosen:
            outcome = _run(job, reached, due_only=options.due)
            outcomes.append(outcome)
            if not options.json:
                say(_in_words(outcome))
    good = all(one.ok is not False for one in outcomes)
    if options.json:
        say(json.dumps({"command": "jobs", "ok": good, "jobs": [asdict(one) for one in outcomes]}))
    elif not outcomes:
        say(f"{stack.settings.system} has no jobs.")
    return 0 if good else 1


def _in_words(outcome: Outcome) -> str:
    word, colour = {True: ("done", "green"), False: ("failed", "red"), None: ("not run", "dim")}[outcome.ok]
    took = f" in {outcome.seconds:.1f} s" if outcome.ok else ""
    told = f": {outcome.message}" if outcome.message else ""
    return f"{outcome.where}, {outcome.job}: {paint(word, colour)}{took}{told}"


def _run(job: "JobSettings", reached: Mapping[tuple[str, str, str], Way], *, due_only: bool) -> Outcome:
    where = f"{job.cluster}/{job.database}"
    administrator = reached.get((job.cluster, "direct", job.database))
    worker = reached.get((job.cluster, "pool", job.pool)) if job.pool else administrator
    if administrator is None or worker is None:
        return Outcome(job=job.name, where=where, ok=False, message="its database or pool is not deployed yet")
    due = Cron.read(job.job.cron).before(datetime.now(UTC))
    try:
        with administrator.target.connect() as record, runs.alone(record, job.name) as alone:
            runs.prepare(record)
            if not alone:
                return Outcome(job=job.name, where=where, ok=None, message="another run of it is under way")
            if due_only and runs.is_done(record, job.name, due):
                return Outcome(job=job.name, where=where, ok=None, message=f"done for {due:%Y-%m-%d %H:%M} UTC")
            number, started = runs.begin(record, job.name, due), time.monotonic()
            try:
                ok, message = _work(worker.target, job.job.sql, job.job.timeout_seconds)
            except BaseException:
                runs.end(record, number, ok=False, message="the run was stopped")
                raise
            runs.end(record, number, ok=ok, message=message)
            return Outcome(job=job.name, where=where, ok=ok, message=message, seconds=time.monotonic() - started)
    except (MigrationError, OperationError, psycopg.Error) as error:
        told = with_advice(error, administrator.target) if isinstance(error, MigrationError) else error
        return Outcome(job=job.name, where=where, ok=False, message=administrator.target.conceal(str(told).strip()))


def _work(target: Target, statement: str, most: float) -> tuple[bool, str]:
    """Runs a statement to its end, or cancels it after so many seconds; whether it worked, and what it gave or said."""
    try:
        with target.connect() as connection, _cancelled_after(most, connection) as late:
            try:
                # In binary: a text of several statements would be one message, in which no procedure can commit.
                cursor = connection.cursor(binary=True).execute(statement.encode())
            except psycopg.errors.QueryCanceled:
                if late.is_set():
                    return False, f"it took longer than {most:g} s and was cancelled"
                raise
            names = [column.name for column in cursor.description or ()]
            rows: Sequence[Sequence[object]] = cursor.fetchmany(1) if names else ()
            return True, ", ".join(f"{name} {value}" for row in rows for name, value in zip(names, row, strict=True))
    except MigrationError as error:
        return False, str(with_advice(error, target))
    except psycopg.Error as error:
        return False, target.conceal(str(error).strip())


@contextmanager
def _cancelled_after(seconds: float, connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[threading.Event]:
    """From here and not by statement_timeout, which a pool would hand on to its next client."""
    late = threading.Event()

    def cancel() -> None:
        late.set()
        connection.cancel_safe(timeout=_CANCEL_SECONDS)

    timer = threading.Timer(seconds, cancel)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
