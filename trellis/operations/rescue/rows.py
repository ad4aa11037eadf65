"""The rows of a moment of the past beside those of now: which are missing, which differ, and the way back for them.

They are compared where the past is: of now it gets each row's key and hash. So the database that is in use is read
once, and written to with nothing but what comes back.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Connection as AnyConnection

from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.move.sides import Connection
from trellis.operations.rescue.tables import Table, types

_MOST_SHOWN = 5
# How long a row that is put back waits for whoever holds one, in seconds.
_LOCK = 10


@dataclass(frozen=True, kw_only=True)
class Lost:
    """What is lost of a table.

    compared: the table of now's keys and hashes, in the session of the past. columns: that were there then and are
    now, of the same type. missing, changed: how many rows. sample: of the
    missing ones. left_out: columns that are one or the other only.
    """

    table: Table
    compared: str
    columns: tuple[str, ...]
    missing: int
    changed: int
    sample: tuple[dict[str, Any], ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rescued:
    """What came back. in_the_way: missing rows whose place another row has taken since, by a unique key.

    moved_on: rows that differ and were written to again meanwhile. altered: rows that a trigger has changed on their
    way.
    """

    table: str
    inserted: int
    updated: int
    in_the_way: int
    moved_on: int
    altered: int


def find(number: int, table: Table, then: Connection, now: Connection, where: str | None) -> Lost:
    """Compares a table. number: of the table in this run; what it is compared with stays in the session of the past.

    Raises OperationError where the table was not there then, WrongCall for a condition that cannot be read.
    """
    before, after = types(then, table.name), types(now, table.name)
    if not before:
        raise OperationError(f"{table.name} was not there at that moment.")
    columns = tuple(column for column in table.columns if before.get(column) == after[column])
    if not set(table.key) <= set(columns):
        raise OperationError(f"The key of {table.name} was another at that moment.")
    keys, compared = ", ".join(table.key), f"pg_temp.trellis_now_{number}"
    then.execute(
        f"CREATE TEMP TABLE trellis_now_{number} AS"  # noqa: S608
        f" SELECT {keys}, 0::int8 AS trellis_hash FROM {table.name} LIMIT 0".encode()
    )
    _stream(
        now,
        f"SELECT {', '.join(f't.{column}' for column in table.key)}, {table.hash('t', columns)} FROM {table.name} t",  # noqa: S608
        then,
        compared,
    )
    then.execute(f"ANALYZE {compared}".encode())
    condition = f"({where})" if where else "true"
    try:
        ((missing, changed),) = then.execute(
            "SELECT count(*) FILTER (WHERE n.trellis_hash IS NULL),"  # noqa: S608
            f" count(*) FILTER (WHERE n.trellis_hash <> {table.hash('t', columns)})"
            f" FROM (SELECT * FROM {table.name} WHERE {condition}) t LEFT JOIN {compared} n"
            f" ON {table.matches('n', 't')}".encode()
        ).fetchall()
        sample = then.execute(
            f"SELECT pg_catalog.to_jsonb(t)::text FROM ({_missing(table, compared, ('*',), condition)}) t"  # noqa: S608
            f" LIMIT {_MOST_SHOWN}".encode()
        ).fetchall()
    except (psycopg.ProgrammingError, psycopg.DataError) as error:
        if where is None:
            raise
        raise WrongCall(f"--where {where}: {error.diag.message_primary}") from None
    return Lost(
        table=table,
        compared=compared,
        columns=columns,
        missing=missing,
        changed=changed,
        sample=tuple(json.loads(text) for (text,) in sample),
        left_out=tuple(sorted(before.keys() ^ after.keys() | {one for one in after if before.get(one) != after[one]})),
    )


def put_back(lost: Lost, then: Connection, now: Connection, where: str | None, *, changed: bool) -> Rescued:
    """Puts the missing rows back, and with `changed` those that differ too, in the caller's transaction.

    A row that was written since it was compared stays as it is. Raises OperationError with what the server said.
    """
    table, condition = lost.table, f"({where})" if where else "true"
    listed = ", ".join(lost.columns)
    now.execute(f"SET LOCAL lock_timeout = '{_LOCK}s'")
    try:
        _fill(now, "trellis_missing", table, lost.columns)
        _stream(then, _missing(table, lost.compared, lost.columns, condition), now, "pg_temp.trellis_missing")
        inserted = now.execute(
            f"INSERT INTO {table.name} ({listed}){' OVERRIDING SYSTEM VALUE' if table.always else ''}"  # noqa: S608
            f" SELECT {listed} FROM pg_temp.trellis_missing ON CONFLICT DO NOTHING".encode()
        ).rowcount
        ((there, altered),) = now.execute(
            f"SELECT count(*), count(*) FILTER (WHERE {table.hash('t', lost.columns)} <>"  # noqa: S608
            f" {table.hash('m', lost.columns)}) FROM pg_temp.trellis_missing m JOIN {table.name} t"
            f" ON {table.matches('m', 't')}".encode()
        ).fetchall()
        updated = _put_back_changed(lost, then, now, condition) if changed else 0
    except psycopg.errors.ForeignKeyViolation as error:
        raise OperationError(
            f"{table.name}: {error.diag.message_primary}: {error.diag.message_detail} Name that table too, with"
            " another --table. Nothing was put back."
        ) from None
    except psycopg.Error as error:
        raise OperationError(f"{table.name}: {error.diag.message_primary or error}. Nothing was put back.") from None
    return Rescued(
        table=table.name,
        inserted=inserted,
        updated=updated,
        in_the_way=lost.missing - inserted,
        moved_on=lost.changed - updated if changed else 0,
        altered=altered if there else 0,
    )


def _put_back_changed(lost: Lost, then: Connection, now: Connection, condition: str) -> int:
    table = lost.table
    written = [column for column in lost.columns if column not in (*table.key, *table.always)]
    if not written:
        return 0
    now.execute("DROP TABLE IF EXISTS pg_temp.trellis_changed")
    now.execute(
        f"CREATE TEMP TABLE trellis_changed ON COMMIT DROP AS SELECT {', '.join(lost.columns)}, 0::int8 AS trellis_hash"  # noqa: S608
        f" FROM {table.name} LIMIT 0".encode()
    )
    _stream(
        then,
        f"SELECT {', '.join(f't.{column}' for column in lost.columns)}, n.trellis_hash"  # noqa: S608
        f" FROM (SELECT * FROM {table.name} WHERE {condition}) t"
        f" JOIN {lost.compared} n ON {table.matches('n', 't')} WHERE n.trellis_hash <> {table.hash('t', lost.columns)}",
        now,
        "pg_temp.trellis_changed",
    )
    settings = ", ".join(f"{column} = c.{column}" for column in written)
    return now.execute(
        f"UPDATE {table.name} t SET {settings} FROM pg_temp.trellis_changed c WHERE {table.matches('c', 't')}"  # noqa: S608
        f" AND {table.hash('t', lost.columns)} = c.trellis_hash".encode()
    ).rowcount


def _missing(table: Table, compared: str, columns: Sequence[str], condition: str) -> str:
    listed = ", ".join(f"t.{column}" for column in columns)
    return (
        f"SELECT {listed} FROM (SELECT * FROM {table.name} WHERE {condition}) t"  # noqa: S608
        f" WHERE NOT EXISTS (SELECT FROM {compared} n WHERE {table.matches('n', 't')})"
    )


def _fill(connection: Connection, name: str, table: Table, columns: Sequence[str]) -> None:
    connection.execute(f"DROP TABLE IF EXISTS pg_temp.{name}".encode())
    connection.execute(
        f"CREATE TEMP TABLE {name} ON COMMIT DROP AS SELECT {', '.join(columns)} FROM {table.name} LIMIT 0".encode()  # noqa: S608
    )


def _stream(source: AnyConnection[Any], query: str, target: AnyConnection[Any], table: str) -> None:
    """Copies what a query finds into a table of another server, without holding it."""
    with (
        source.cursor().copy(f"COPY ({query}) TO STDOUT".encode()) as out,
        target.cursor().copy(f"COPY {table} FROM STDIN".encode()) as into,
    ):
        for block in out:
            into.write(block)
