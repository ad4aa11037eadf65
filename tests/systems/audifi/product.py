"""AudiFi's database as its roles see it, and chain events to hand in."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.migrator.servers import Database
from trellis.migrator import Report, Target, migrate

FOLDER = Path(__file__).parents[3] / "migrations" / "audifi" / "audifi"
ADMIN, APP, ANALYTICS, INDEXER = "doadmin", "audifi_app", "audifi_analytics", "audifi_indexer"
PASSWORD = "a password of this test server"
PLACEHOLDERS = {"app_role": APP, "analytics_role": ANALYTICS, "indexer_role": INDEXER}

NOBODY, ALICE, BOB, CONTRACT, TOKEN = ("0x" + digit * 40 for digit in "0abcd")
Event = dict[str, Any]


@dataclass(frozen=True)
class AudiFi:
    """A database with AudiFi's schema, whose owner is no superuser."""

    database: Database

    def migrate(self) -> Report:
        """Brings the schema up to date as the administrator."""
        return migrate(Target(self.database.parameters(ADMIN, PASSWORD)), FOLDER, PLACEHOLDERS)

    @contextmanager
    def session(self, role: str) -> Iterator[psycopg.Connection]:
        """A connection as a role, outside any transaction."""
        with self.database.connect(role, PASSWORD) as connection:
            yield connection

    def run(self, role: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Runs one statement as a role and gives its rows."""
        with self.session(role) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def admin(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Runs one statement as the administrator and gives its rows."""
        return self.run(ADMIN, statement, *values)

    def ingest(self, table: str, *events: Event) -> tuple[int, int]:
        """Hands a batch in as the indexer: how many were stored, how many had been already."""
        with self.session(INDEXER) as connection:
            return ingest(connection, table, events)


@dataclass(frozen=True)
class AudiFiInOneTransaction(AudiFi):
    """The same inside one open transaction of a superuser, who takes each role in turn. What fails is undone."""

    connection: psycopg.Connection

    @contextmanager
    def session(self, role: str) -> Iterator[psycopg.Connection]:
        """The one connection, with the rights of a role and no more."""
        with self.connection.transaction():
            self.connection.execute(f"SET LOCAL SESSION AUTHORIZATION {role}".encode())
            yield self.connection


def ingest(connection: psycopg.Connection, table: str, events: Sequence[Event]) -> tuple[int, int]:
    """Hands a batch in on a connection: how many were stored, how many had been already."""
    row = connection.execute("SELECT * FROM ingest_chain_events(%s, %s)", (table, json.dumps(events))).fetchone()
    assert row
    return row[0], row[1]


def hashed(number: int) -> str:
    """The hash of the transaction with this number."""
    return f"0x{number:064x}"


def event(number: int, block_time: str, **changes: Any) -> Event:
    """A chain event without the columns of its table: of transaction `number`, in a block of the same number."""
    common = {"chain_id": 8453, "block_number": number, "tx_hash": hashed(number), "log_index": 0}
    return {**common, "block_time": block_time, "contract": CONTRACT, **changes}


def deposit(number: int, block_time: str, amount: str = "1", **changes: Any) -> Event:
    """Money paid into a revenue contract."""
    return event(
        number, block_time, **{"event": "deposit", "token": TOKEN, "account": ALICE, "amount": amount, **changes}
    )


def transfer(number: int, block_time: str, source: str, target: str, **changes: Any) -> Event:
    """An NFT that goes from one address to another."""
    kind = {"event": "transfer", "token_id": "7", "from_address": source, "to_address": target}
    return event(number, block_time, **{**kind, **changes})
