"""The two databases of a move, and what lies in both of them for its time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from trellis.migrator import MigrationError, Target
from trellis.migrator.connecting import MOVE
from trellis.operations.errors import OperationError

SCHEMA = MOVE
PUBLICATION = "trellis_move"
# Of a session that moves a database: no two at a time.
_LOCK = 0x7472656C6D6F7665

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class Side:
    """A database of one of the clusters.

    cluster: its name, with the database's in messages. target: the way from here, as the owner of the tables.
    peer: libpq's parameters of the way from the other server, as the same user. reviewer: the login that reviews it,
    and the password that it has to be given.
    """

    cluster: str
    database: str
    target: Target
    peer: Mapping[str, str] = field(repr=False)
    reviewer: tuple[str, str | None] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.cluster}/{self.database}"

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A session outside any transaction. Raises OperationError where there is no way."""
        try:
            connection: Connection = self.target.connect()
        except MigrationError as error:
            raise OperationError(error.message) from None
        with connection:
            # What is told of a row must not depend on what a server or a database sets.
            connection.execute(
                "SET search_path = ''; SET timezone = 'UTC'; SET datestyle = 'ISO, MDY'; "
                "SET intervalstyle = 'postgres'; "
                "SET extra_float_digits = 1; SET bytea_output = 'hex'; SET row_security = off; "
                "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"
            )
            yield connection

    def refuses_replication(self) -> str:
        """Why its user may not replicate from here, in the server's words; empty where it may. Tried, not looked up:
        a provider may give the right in a way of its own."""
        try:
            with self.target.connect(replication="database") as connection:
                connection.execute("IDENTIFY_SYSTEM")
        except MigrationError as error:
            return error.message
        except psycopg.Error as error:
            return str(error.diag.message_primary or error)
        return ""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A database on the old and on the new cluster.

    foreign: whether the old one is no cluster of the stack. The new one's schema is its own then, and may hold more.
    """

    old: Side
    new: Side
    foreign: bool = False

    def way(self, *, to_new: bool) -> tuple[Side, Side]:
        """Where a stream comes from, and where it leads."""
        return (self.old, self.new) if to_new else (self.new, self.old)

    @property
    def link(self) -> str:
        """The name of subscriptions and slots: a slot's is one a server."""
        kept = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in self.old.database.lower())
        return f"{PUBLICATION}_{kept}"[:63]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps every other run away from this move. Raises OperationError where one is at it."""
        with self.old.connect() as connection:
            ((free,),) = connection.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", (_LOCK,)).fetchall()
            if not free:
                raise OperationError(f"Another run is moving {self.old.name} at this moment. Wait until it has ended.")
            yield
