"""Making an empty database like another one: its schema, and its migration history."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from trellis.migrator import Target
from trellis.migrator.connecting import Session
from trellis.operations.check.shadow.administrator import Administrator, administrator_of
from trellis.operations.check.shadow.entries import Entry, dump

# What pg_dump sets at its head, as far as it matters where there are no rows.
_PREPARED = "SET check_function_bodies = off; SET xmloption = content; SET row_security = off; SET search_path = ''"


@dataclass(frozen=True, kw_only=True)
class Original:
    """What is taken from a database: the least that migrations need to run on another server as on its own.

    major: its server's major version. administrator: who migrates it. roles: of its server, the built-in ones left out.
    history: a history table -> its rows as COPY writes them; empty where there is none.
    """

    name: str
    major: str
    administrator: Administrator
    roles: frozenset[str]
    entries: tuple[Entry, ...]
    history: Mapping[str, bytes]


def may_read(connection: psycopg.Connection[Any]) -> bool:
    """Whether pg_dump may read the schema: it locks every table, for which it takes the right to read its rows."""
    found = connection.execute(
        "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
        " AND NOT has_table_privilege(c.oid, 'SELECT'))"
    ).fetchone()
    return found == (True,)


def read(target: Target) -> Original:
    """What a database holds; it is only read.

    Raises MigrationError when it cannot be reached, DumpError when pg_dump may not read it.
    """
    with Session.open(target) as session:
        connection, facts = session.connection, session.facts
        roles = connection.execute("SELECT rolname FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_'").fetchall()
        history = {}
        for table in session.table.parts if facts.has_table else ():
            with connection.cursor().copy(f"COPY {table} TO STDOUT".encode()) as rows:
                history[table] = b"".join(rows)
        return Original(
            name=facts.database,
            major=facts.server_version.partition(".")[0],
            administrator=administrator_of(connection, facts.search_path),
            roles=frozenset(name for (name,) in roles),
            entries=dump(connection),
            history=history,
        )


@dataclass(frozen=True)
class Lack:
    """An object that could not be made in the copy, and the server's reason."""

    entry: Entry
    reason: str


def write(original: Original, target: Target) -> tuple[Lack, ...]:
    """Makes an empty database like the original, as a superuser; gives what could not be made."""
    with target.connect() as connection:
        connection.execute(_PREPARED)
        lacks = tuple(_restore(connection, original.entries))
        for table, held in original.history.items():
            with connection.cursor().copy(f"COPY {table} FROM STDIN".encode()) as rows:
                rows.write(held)
    return lacks


def _restore(connection: psycopg.Connection[Any], entries: Iterable[Entry]) -> Iterable[Lack]:
    for entry in entries:
        try:
            connection.execute(entry.sql.encode())
        except psycopg.Error as error:
            yield Lack(entry, error.diag.message_primary or str(error))
