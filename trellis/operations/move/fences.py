"""Which side takes writes: a fence on every table, and the mark that the last change before it leaves behind.

The fence is a trigger of statements, so it binds whoever writes, the owner included, and is not asked for what the
stream applies. It calls one function; to close is to replace that function while every table is locked against writes:
whoever has written has committed by then, and whoever comes after finds the fence closed, also in a transaction that
began before. To open takes no lock.
"""

import time
import uuid
from collections.abc import Sequence

import psycopg

from trellis.migrator.history import identifier, literal
from trellis.operations.errors import OperationError
from trellis.operations.move.sides import SCHEMA, Connection, Side

_TRIGGER = "trellis_move_fence"
_CLOSED = "closed"
_MARK = "INSERT INTO trellis_move.marks (token) VALUES "
# How long one try may hold up writers that wait behind it, and how long it is tried, in seconds.
_TRY = 1.0
_PATIENCE = 60.0

# Ordinary and partitioned tables that are the application's. Chunks of TimescaleDB are part of their hypertable.
TABLES = """
SELECT n.nspname, c.relname, c.relispartition, c.oid
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
  AND n.nspname !~ '^(pg|_timescaledb)_' AND n.nspname NOT IN ('information_schema', 'trellis_move')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""


def tables(connection: Connection, *, whole: bool = False) -> list[str]:
    """The tables' quoted names, in one order. whole: a partitioned one in place of its partitions."""
    found = connection.execute(TABLES).fetchall()
    return [f"{identifier(schema)}.{identifier(name)}" for schema, name, part, _ in found if not (whole and part)]


def is_set_up(connection: Connection) -> bool:
    """Whether this side belongs to a move."""
    ((found,),) = connection.execute("SELECT pg_catalog.to_regnamespace(%s) IS NOT NULL", (SCHEMA,)).fetchall()
    return bool(found)


def set_up(connection: Connection, *, closed: bool) -> None:
    """Puts the fence on every table that has none. closed: what it is where it is new."""
    if not is_set_up(connection):
        with connection.transaction():
            connection.execute(
                f"CREATE SCHEMA {SCHEMA};"
                f"CREATE TABLE {SCHEMA}.marks (token uuid PRIMARY KEY, made timestamptz NOT NULL DEFAULT now());"
                f"{_function(closed=closed)}"
            )
    fenced = _fenced(connection)
    for table in tables(connection):
        if table in fenced:
            continue
        _patiently(
            connection,
            f"CREATE TRIGGER {_TRIGGER} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.refuse()",
            [table],
        )


def take_down(connection: Connection) -> None:
    """Takes fence and marks away."""
    for table in _fenced(connection):
        _patiently(connection, f"DROP TRIGGER {_TRIGGER} ON {table}", [table])
    connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


def is_open(connection: Connection) -> bool:
    """Whether this side takes writes."""
    found = connection.execute(
        "SELECT prosrc FROM pg_catalog.pg_proc WHERE pronamespace = pg_catalog.to_regnamespace(%s)", (SCHEMA,)
    ).fetchall()
    return bool(found) and _CLOSED not in found[0][0]


def close(side: Side, connection: Connection) -> str:
    """Ends writes, and gives the token of the mark behind the last of them.

    Raises OperationError where a transaction does not end; the side is as it was then.
    """
    token = str(uuid.uuid4())
    all_tables = tables(connection)
    try:
        _patiently(connection, f"{_function(closed=True)}{_MARK}({literal(token)})", all_tables)
    except OperationError as error:
        raise OperationError(f"{side.name} still takes writes: {error}") from None
    return token


def open_(connection: Connection) -> None:
    """Lets writes in."""
    connection.execute(_function(closed=False))


def mark(connection: Connection) -> str:
    """Leaves a mark behind what is committed by now."""
    token = str(uuid.uuid4())
    connection.execute(f"{_MARK}({literal(token)})".encode())
    return token


def arrives(connection: Connection, token: str, seconds: float) -> bool:
    """Whether a mark of the other side gets here within so many seconds."""
    until = time.monotonic() + seconds
    pause = 0.002
    while True:
        found = connection.execute("SELECT FROM trellis_move.marks WHERE token = %s", (token,)).fetchall()
        if found or time.monotonic() > until:
            return bool(found)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)


def _fenced(connection: Connection) -> list[str]:
    """The quoted names of the tables that have the fence. Their partitions have one each, of their own."""
    found = connection.execute(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE g.tgname = %s ORDER BY 1, 2",
        (_TRIGGER,),
    ).fetchall()
    return [f"{identifier(schema)}.{identifier(name)}" for schema, name in found]


def _function(*, closed: bool) -> str:
    body = (
        f"-- {_CLOSED}\nBEGIN RAISE EXCEPTION USING ERRCODE = 'read_only_sql_transaction', MESSAGE ="
        " 'This database is being moved: writes go to the other server. Connect anew.'; END"
        if closed
        else "BEGIN RETURN NULL; END"
    )
    return (
        f"CREATE OR REPLACE FUNCTION {SCHEMA}.refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = ''"
        f" AS $fence${body}$fence$;"
    )


def _patiently(connection: Connection, statement: str, locked: Sequence[str]) -> None:
    """Runs it with these tables locked against writes, and gives way again and again to whoever holds one."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            with connection.transaction():
                connection.execute(f"SET LOCAL lock_timeout = '{_TRY}s'")
                if locked:
                    connection.execute(f"LOCK TABLE {', '.join(locked)} IN SHARE ROW EXCLUSIVE MODE")
                connection.execute(statement.encode())
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if time.monotonic() > until:
                raise OperationError(
                    f"for {_PATIENCE:.0f} s a transaction has held a table that must be locked for a moment. "
                    f"{_holders(connection, locked)}"
                ) from None
            time.sleep(_TRY / 2)
        else:
            return


def _holders(connection: Connection, locked: Sequence[str]) -> str:
    found = connection.execute(
        "SELECT DISTINCT a.pid, a.usename, now() - a.xact_start AS age FROM pg_catalog.pg_locks l"
        " JOIN pg_catalog.pg_stat_activity a USING (pid)"
        " WHERE l.relation = ANY(%s::pg_catalog.regclass[]) AND l.granted AND a.pid <> pg_catalog.pg_backend_pid()"
        " AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
        " ORDER BY age DESC",
        (list(locked),),
    ).fetchall()
    if not found:
        return "It has ended by now: run the same command again."
    listed = ", ".join(f"{pid} ({user})" for pid, user, _ in found[:5])
    return f"Wait for it, or end it with pg_terminate_backend: {listed}. Then run the same command again."
