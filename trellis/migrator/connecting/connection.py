"""Reaching the database, directly and as one session."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from trellis.migrator.errors import MigrationError
from trellis.migrator.history import TABLE, DrizzleTable, HistoryRow, HistoryTable, identifier, literal
from trellis.migrator.options import Stop
from trellis.migrator.sql import is_drizzle, read_journal

APPLICATION_NAME = "trellis-migrator"

# Seconds to connect; after that a server or network that is silently gone is noticed within a minute (the last is in
# milliseconds), however long a statement takes. Without these a run would wait for it, and hold its lock, for hours.
_PATIENCE: Mapping[str, int] = {
    "connect_timeout": 15,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

# A password shorter than this is part of ordinary words, and taking it out of them would give it away.
_SHORTEST_SECRET = 4

# What a move puts into a database for its time; no stream carries a changed schema.
MOVE = "trellis_move"

# Objects that belong to an extension do not make a schema used: a managed server may come with some.
_IN_USE = """
EXISTS (SELECT FROM pg_catalog.pg_class o WHERE o.relnamespace = n.oid AND o.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = o.oid AND d.deptype = 'e'))
OR EXISTS (SELECT FROM pg_catalog.pg_type o WHERE o.typnamespace = n.oid AND o.typcategory NOT IN ('A', 'C')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = o.oid AND d.deptype = 'e'))
OR EXISTS (SELECT FROM pg_catalog.pg_proc o WHERE o.pronamespace = n.oid
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = o.oid AND d.deptype = 'e'))
"""


class Connection(psycopg.Connection[TupleRow]):
    """A connection of a run.

    stop: what may end the run. cancelled: whether it has, and only cleaning up is left. locked: whether it has taken
    the migrators' lock.
    """

    stop: Stop | None = None
    cancelled = False
    locked = False

    def unlock(self) -> None:
        """Give up the lock, if it has it: the server notices a closed connection only some time later."""
        if self.locked and self.pgconn.transaction_status != TransactionStatus.ACTIVE:
            # Should the connection be gone, so is the lock.
            with suppress(psycopg.Error):
                self.rollback()
                self.execute("SELECT pg_catalog.pg_advisory_unlock_all()")


class Target:
    """A database and the schema in it that is migrated.

    conninfo: a libpq connection string, URI or a mapping of its parameters. It has to name the server's own port: a
        connection pooler cannot hold the lock.
    schema: where the history table is kept, and what unqualified names mean in a migration.
    table: name of the history table.

    Its repr and every error show host, port, database and user at most.
    """

    def __init__(
        self, conninfo: str | Mapping[str, str | int | None], schema: str = "public", table: str = TABLE
    ) -> None:
        """Raise MigrationError when the connection string cannot be read."""
        try:
            parameters = conninfo_to_dict(conninfo) if isinstance(conninfo, str) else dict(conninfo)
            make_conninfo("", **{name: str(value) for name, value in parameters.items() if value is not None})
        except psycopg.ProgrammingError:
            # libpq's message repeats the string, password included.
            raise MigrationError(
                "The connection string cannot be read: postgresql://user:password@host:port/database or key=value"
                " pairs of libpq are expected. It is not shown, for it may hold a password."
            ) from None
        self._parameters = parameters
        self._folder: Path | None = None
        self.schema = schema
        self.table = table

    def __repr__(self) -> str:
        return f"Target({self.name!r}, schema={self.schema!r})"

    def beside(self, folder: Path) -> "Target":
        """The same, with the history that a folder's migrations are recorded in: Drizzle's is one of its own."""
        found = self.with_table(self.table)
        found._folder = folder if is_drizzle(folder) else None
        return found

    def with_table(self, table: str) -> "Target":
        """The same database and schema, with another history table."""
        return Target(self._parameters, schema=self.schema, table=table)

    def in_database(self, name: str) -> "Target":
        """Another database of the same server, as the same user."""
        return Target({**self._parameters, "dbname": name})

    @property
    def name(self) -> str:
        """user@host:port/database, as far as they are given."""
        get = self._parameters.get
        user = f"{get('user')}@" if get("user") else ""
        port = f":{get('port')}" if get("port") else ""
        return f"{user}{get('host') or get('hostaddr') or 'local socket'}{port}/{get('dbname') or ''}"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, where one of each is given."""
        return str(self._parameters.get("host") or ""), int(self._parameters.get("port") or 5432)

    @property
    def history_table(self) -> HistoryTable:
        """Its history table. Raises MigrationError when the journal of a Drizzle folder cannot be read."""
        if self._folder is None:
            return HistoryTable(self.schema, self.table)
        return DrizzleTable(name=self.table, tags={entry.when: entry.tag for entry in read_journal(self._folder)})

    def connect(self, **more: str) -> Connection:
        """Open a connection outside any transaction. more: parameters of libpq for this one alone.

        Raises MigrationError with the server's reason.
        """
        fixed = {"application_name": APPLICATION_NAME, "client_encoding": "utf8"}
        parameters = {**_PATIENCE, **self._parameters, **fixed, **more}
        try:
            # Prepared statements would outlive what they were made for.
            return Connection.connect("", autocommit=True, prepare_threshold=None, **parameters)  # type: ignore[arg-type]
        except psycopg.Error as error:
            reason = self.conceal(str(error).strip())
            raise MigrationError(
                f"No connection to {self.name}: {reason}", sqlstate=error.sqlstate, state="Nothing was changed."
            ) from None

    def conceal(self, text: str) -> str:
        """The text without the password, should it hold it."""
        password = str(self._parameters.get("password") or "")
        return text.replace(password, "********") if len(password) >= _SHORTEST_SECRET else text


class Facts(NamedTuple):
    """What the first round trip learns.

    has_table: whether the history can be written to. recorded: whether there is one, which another tool may have begun.
    search_path: of the session as the server gave it. time, lsn: the moment before the run, to restore to; lsn is the
    write-ahead log's position, None where the server does not tell it. moving: whether the database is being moved.
    """

    backend_pid: int
    user: str
    database: str
    server_version: str
    time_zone: str
    search_path: str
    conforming: bool
    standby: bool
    time: datetime
    lsn: str | None
    has_schema: bool
    has_table: bool
    recorded: bool
    in_use: bool
    moving: bool


class Session:
    """An open connection with what is known of its server."""

    def __init__(self, target: Target, connection: Connection, facts: Facts) -> None:
        self.target = target
        self.connection = connection
        self.facts = facts
        self.table = target.history_table

    @classmethod
    def open(cls, target: Target, stop: Stop | None = None) -> Self:
        """Connect and look around, in one round trip past the handshake.

        stop: ends what the session is doing when it is set.
        Raises MigrationError when the server cannot be reached, is a standby or is behind a connection pooler.
        """
        connection = target.connect()
        connection.stop = stop
        try:
            facts = _look_around(connection, target)
            if facts.backend_pid != connection.info.backend_pid:
                raise MigrationError(
                    f"{target.name} is a connection pooler, not the server: it announced backend"
                    f" {connection.info.backend_pid} and backend {facts.backend_pid} answered. Through a pooler the"
                    " lock of one migrator can pass to another, and settings leak to other clients. Use the server's"
                    " own port.",
                    state="Nothing was changed.",
                )
            if facts.standby:
                raise MigrationError(
                    f"{target.name} is a standby and takes no writes. Use the primary.", state="Nothing was changed."
                )
        except psycopg.Error as error:
            connection.close()
            raise MigrationError(
                f"{target.name} did not answer: {target.conceal(str(error).strip())}",
                sqlstate=error.sqlstate,
                state="Nothing was changed.",
            ) from None
        except BaseException:
            connection.close()
            raise
        return cls(target, connection, facts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Give up the lock and close the connection."""
        try:
            self.connection.unlock()
        finally:
            self.connection.close()

    @property
    def search_path(self) -> str:
        """The search path of a migration: the schema first, then what the server had, as Flyway sets it."""
        original = self.facts.search_path
        if original == self.target.schema or original.startswith(self.target.schema + ","):
            return original
        quoted = identifier(self.target.schema)
        return f"{quoted},{original}" if original else quoted

    @property
    def built_in_placeholders(self) -> dict[str, str]:
        """Flyway's own placeholders; `flyway:filename` is added for each file."""
        return {
            "flyway:defaultSchema": self.target.schema,
            "flyway:user": self.facts.user,
            "flyway:database": self.facts.database,
            "flyway:timestamp": f"{self.facts.time:%Y-%m-%d %H:%M:%S}",
            "flyway:table": self.target.table,
        }

    def read_history(self) -> tuple[HistoryRow, ...]:
        """All rows of the history table."""
        return self.table.read(lambda query: self.connection.execute(query.encode()).fetchall())


def _look_around(connection: Connection, target: Target) -> Facts:
    table = target.history_table
    query = f"""
        SELECT pg_catalog.pg_backend_pid(), current_user, current_database(), current_setting('server_version'),
            current_setting('TimeZone'), current_setting('search_path'),
            current_setting('standard_conforming_strings') = 'on', pg_is_in_recovery(), clock_timestamp(),
            CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_lsn()::text END,
            n.oid IS NOT NULL, {table.complete}, {table.recorded},
            CASE WHEN {table.recorded} THEN {table.complete} ELSE coalesce({_IN_USE}, false) END,
            to_regnamespace('{MOVE}') IS NOT NULL
        FROM (SELECT 1) one LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = {literal(target.schema)}"""  # noqa: S608
    row = connection.execute(query.encode()).fetchone()
    if row is None:
        raise MigrationError(f"{target.name} gave no answer.", state="Nothing was changed.")
    return Facts._make(row)
