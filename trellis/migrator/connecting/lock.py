"""Flyway's advisory lock on a schema's migrations."""

import time
from typing import NamedTuple

from trellis.migrator.errors import MigrationError
from trellis.migrator.history import HistoryTable
from trellis.migrator.options import Options

from .connection import Connection

# PostgreSQLAdvisoryLockTemplate: the letters "Flyway" as bytes of a number, plus Java's hash of the quoted table name.
_FLYWAY = 77431708279161

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_TELL_EVERY = 10.0

_HOLDER = """
SELECT a.pid, a.application_name, a.usename, host(a.client_addr), to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ')
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid = %s::oid AND l.objid = %s::oid
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
"""


class Holder(NamedTuple):
    """The session that holds the lock, as pg_stat_activity shows it."""

    pid: int
    application: str
    user: str | None
    address: str | None
    since: str | None

    def __str__(self) -> str:
        name = self.application or "a session without application name"
        where = f" from {self.address}" if self.address else ""
        who = f", user {self.user}" if self.user else ""
        since = f", connected since {self.since}" if self.since else ""
        return f"{name} (pid {self.pid}{who}{where}{since})"


def lock_key(table: HistoryTable) -> int:
    """The key both this migrator and Flyway lock for a history table."""
    units = str(table).encode("utf-16-be")
    value = 0
    for index in range(0, len(units), 2):
        value = (31 * value + int.from_bytes(units[index : index + 2])) & 0xFFFFFFFF
    return _FLYWAY + (value - (1 << 32) if value >= 1 << 31 else value)


def acquire(connection: Connection, table: HistoryTable, options: Options) -> bool:
    """Take the lock, for as long as the session lasts. Whether somebody else had to be waited for.

    It is asked for again and again instead of waited for in the server: a session that waits there has a snapshot,
    and the holder's CREATE INDEX CONCURRENTLY would wait for that one in turn, which ends as a deadlock.

    Raises MigrationError, naming the holder, when `lock_wait` is over.
    """
    key = lock_key(table)
    started = time.monotonic()
    told = float("-inf")
    pause = _FIRST_PAUSE
    while not _try(connection, key):
        now = time.monotonic()
        if now - started >= options.lock_wait:
            raise MigrationError(
                f"Another migrator holds the lock on {table}: {_holder(connection, key)}. Waited {options.lock_wait:g}"
                " seconds.",
                state="Nothing was changed. Let it finish and run again, or end it with pg_terminate_backend(pid).",
            )
        if now - told >= _TELL_EVERY:
            told = now
            options.tell(f"Waiting for the migration lock, held by {_holder(connection, key)}.")
        if not options.pause(min(pause, max(options.lock_wait - (now - started), 0.001))):
            raise MigrationError("Stopped while another migrator held the lock.", state="Nothing was changed.")
        pause = min(pause * 2, _LONGEST_PAUSE)
    connection.locked = True
    return pause > _FIRST_PAUSE


def _try(connection: Connection, key: int) -> bool:
    row = connection.execute(f"SELECT pg_catalog.pg_try_advisory_lock({key})").fetchone()
    return bool(row and row[0])


def _holder(connection: Connection, key: int) -> str:
    found = connection.execute(_HOLDER, (key >> 32, key & 0xFFFFFFFF)).fetchone()
    return str(Holder(*found)) if found else "a session that has just ended"
