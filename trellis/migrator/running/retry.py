"""After a lock timeout, a deadlock or a serialisation failure: who holds the lock, and another try."""

import re

from trellis.migrator.connecting import Connection
from trellis.migrator.errors import ServerError
from trellis.migrator.options import Options

_LONGEST_DELAY = 30.0

_LOCK_TIMEOUT = "55P03"

_NAME = re.compile(r'"((?:[^"]|"")+)"|[^\W\d][\w$]*')
# These go along with readers of a table; what else waits for a table's lock waits for readers too.
_LETS_READ = re.compile(
    r"\s*(?:CREATE\s+(?:UNIQUE\s+)?INDEX|CREATE\s.*?TRIGGER|INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE
)

# The oldest transaction first: it is most often one that was left open.
_HOLDERS = """
SELECT c.relname, a.pid, a.application_name, a.usename, host(a.client_addr), a.state,
    to_char(coalesce(a.xact_start, a.backend_start), 'YYYY-MM-DD HH24:MI:SS TZ')
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
JOIN pg_catalog.pg_class c ON c.oid = l.relation
LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid = c.oid
LEFT JOIN pg_catalog.pg_class p ON p.oid = h.inhparent
WHERE l.granted AND l.pid <> pg_catalog.pg_backend_pid() AND c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S')
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND (c.relname::text = ANY(%(names)s) OR p.relname::text = ANY(%(names)s))
  AND (l.mode <> 'AccessShareLock' OR NOT %(lets_read)s)
ORDER BY a.xact_start NULLS LAST, a.pid LIMIT 1
"""

# A concurrent build waits for every older snapshot, whatever table it reads.
_OLDEST = """
SELECT a.pid, a.application_name, a.usename, host(a.client_addr), a.state,
    to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS TZ')
FROM pg_catalog.pg_stat_activity a
WHERE a.backend_xmin IS NOT NULL AND a.datname = current_database() AND a.pid <> pg_catalog.pg_backend_pid()
  AND a.backend_type = 'client backend'
ORDER BY a.xact_start LIMIT 1
"""


class Retry:
    """The tries left for one migration."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._delay = options.retry_delay
        self._used = 0

    def pause(self, cause: ServerError, place: str | None) -> bool:
        """Wait before the next try; False, at once, when there is none: tries used up, or the error is of no such kind.

        place: file and line, for the progress line.
        """
        if cause.lost or not cause.retryable or self._used >= self._options.retries:
            return False
        self._used += 1
        who = f" {cause.hint}" if cause.hint else ""
        self._options.tell(
            f"{place}: {cause.message} (SQLSTATE {cause.sqlstate}).{who} Trying again in {self._delay:g} s,"
            f" {self._used} of {self._options.retries}."
        )
        delay, self._delay = self._delay, min(self._delay * 2, _LONGEST_DELAY)
        return self._options.pause(delay)

    def advice(self, cause: ServerError, hint: str | None) -> str | None:
        """The server's hint, and what to do about an error that several tries did not get past."""
        if not cause.retryable:
            return hint
        who = hint or "Something holds a lock the migration needs: pg_stat_activity shows who."
        return (
            f"Tried {self._used + 1} times. {who} Most often it is a transaction left open: have it end, or give the"
            " file more time with a comment at its head, -- trellis: lock_timeout=30s."
        )


def _holder(connection: Connection, sql: str) -> str | None:
    """The session that holds a lock on a table which a statement names, or the oldest transaction where a concurrent
    build waits for that; None where there is none any more. Without its query, which may hold a secret.
    """
    names = [match[1].replace('""', '"') if match[1] else match[0].lower() for match in _NAME.finditer(sql)]
    values = {"names": names, "lets_read": _LETS_READ.match(sql) is not None}
    found = connection.execute(_HOLDERS, values).fetchone()
    if found is not None:
        return f"A lock on {found[0]} is held by {_session(*found[1:])}."
    found = connection.execute(_OLDEST).fetchone() if "CONCURRENTLY" in sql.upper() else None
    return None if found is None else f"It waits for older transactions; the oldest is that of {_session(*found)}."


def _session(
    pid: int, application: str | None, user: str | None, address: str | None, state: str | None, since: str | None
) -> str:
    who = ", ".join(filter(None, (application, f"user {user}", address and f"from {address}", state)))
    return f"pid {pid} ({who}), in a transaction since {since}"


def add_holder(connection: Connection, error: ServerError, sql: str) -> None:
    """Say in the hint of a lock timeout who holds the lock. The connection must not be in a failed transaction."""
    if error.sqlstate == _LOCK_TIMEOUT and not error.lost:
        error.hint = _holder(connection, sql)
