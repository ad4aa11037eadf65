"""What is known of a job's runs: rows in a table of Trellis's own, in the database that the job works in."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from trellis.migrator.connecting import MOVE
from trellis.operations.errors import OperationError

Connection = psycopg.Connection[tuple[Any, ...]]

TABLE = "trellis.job_runs"
_KEPT = "400 days"
# With a hash of the job's name: the runs of one job never overlap.
LOCK = 0x74726A62
_MAKE = f"""
CREATE SCHEMA IF NOT EXISTS trellis;
CREATE TABLE IF NOT EXISTS {TABLE} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    due_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    ok boolean,
    message text NOT NULL DEFAULT '',
    CHECK ((finished_at IS NULL) = (ok IS NULL))
);
CREATE INDEX IF NOT EXISTS job_runs_job_idx ON {TABLE} (job, due_at);
COMMENT ON TABLE {TABLE} IS
    'Runs of the system file''s jobs. finished_at is null while one runs, or where it was killed';
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run. due_at: the time of the schedule that it was for. ok: None while it runs, or when it was killed."""

    job: str
    due_at: datetime
    started_at: datetime
    ok: bool | None
    message: str


def newest(connection: psycopg.Connection[Any]) -> Mapping[str, Sequence[Run]]:
    """Of each job the newest run, and before it the newest that went well, where that is another."""
    if not _is_there(connection):
        return {}
    rows = connection.execute(
        f"SELECT DISTINCT ON (job, ok IS TRUE) job, due_at, started_at, ok, message, id FROM {TABLE}"  # noqa: S608
        " ORDER BY job, ok IS TRUE, id DESC".encode()
    ).fetchall()
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return {job: [_run(row) for row in sorted(of, key=lambda row: row[-1])] for job, of in found.items()}


def _run(row: Sequence[Any]) -> Run:
    job, due_at, started_at, ok, message, _ = row
    return Run(job=job, due_at=due_at, started_at=started_at, ok=ok, message=message)


def _is_there(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute("SELECT pg_catalog.to_regclass(%s) IS NOT NULL", (TABLE,)).fetchone()
    return bool(row and row[0])


def prepare(connection: Connection) -> None:
    """Makes the table where it is missing. Raises OperationError in a move: its stream has no table that is new."""
    if _is_there(connection):
        return
    ((moving,),) = connection.execute("SELECT pg_catalog.to_regnamespace(%s) IS NOT NULL", (MOVE,)).fetchall()
    if moving:
        raise OperationError("it is being moved, and has no table for runs of jobs yet: they wait for `move finish`")
    connection.execute(_MAKE.encode())


@contextmanager
def alone(connection: Connection, job: str) -> Iterator[bool]:
    """Whether no other run of this job is under way; none begins meanwhile."""
    ((free,),) = connection.execute("SELECT pg_catalog.pg_try_advisory_lock(%s, hashtext(%s))", (LOCK, job)).fetchall()
    try:
        yield bool(free)
    finally:
        if free and not connection.closed:
            connection.execute("SELECT pg_catalog.pg_advisory_unlock(%s, hashtext(%s))", (LOCK, job))


def is_done(connection: Connection, job: str, due: datetime) -> bool:
    """Whether a run for this time, or a later one, went well."""
    query = f"SELECT EXISTS (SELECT FROM {TABLE} WHERE job = %s AND due_at >= %s AND ok)"  # noqa: S608
    ((done,),) = connection.execute(query.encode(), (job, due)).fetchall()
    return bool(done)


def begin(connection: Connection, job: str, due: datetime) -> int:
    """Writes a run down before it begins; tells what a killed one has left, and forgets what is old. Gives its id."""
    connection.execute(
        f"UPDATE {TABLE} SET finished_at = clock_timestamp(), ok = false, message = 'it was killed, or lost its server'"  # noqa: S608
        " WHERE job = %s AND finished_at IS NULL".encode(),
        (job,),
    )
    connection.execute(f"DELETE FROM {TABLE} WHERE started_at < now() - interval '{_KEPT}'".encode())  # noqa: S608
    query = f"INSERT INTO {TABLE} (job, due_at) VALUES (%s, %s) RETURNING id"  # noqa: S608
    ((number,),) = connection.execute(query.encode(), (job, due)).fetchall()
    return int(number)


def end(connection: Connection, number: int, *, ok: bool, message: str) -> None:
    """Writes down how a run ended."""
    connection.execute(
        f"UPDATE {TABLE} SET finished_at = clock_timestamp(), ok = %s, message = %s WHERE id = %s".encode(),  # noqa: S608
        (ok, message, number),
    )
