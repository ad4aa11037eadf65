"""TUDAO's schema on a real PostgreSQL, with the roles a managed server has."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.migrator.conftest import server
from tests.migrator.servers import Database, PostgreSQL
from trellis.migrator import Report, Target, migrate

FOLDER = Path(__file__).parents[3] / "migrations" / "tudao" / "tudao"
__all__ = ["server", "tudao", "tudao_of_module", "tudao_server"]

ADMIN, APP, ANALYTICS = "doadmin", "tudao_app", "tudao_analytics"
PASSWORD = "a password of the tests"

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Tudao:
    """A database with the schema, and its three users. The server's own administrator is `database.run`."""

    database: Database
    report: Report

    def connect(self, user: str = ADMIN) -> psycopg.Connection[Any]:
        """Connect, outside any transaction."""
        return self.database.connect(user, PASSWORD)

    def rows(self, statement: str, user: str = ADMIN) -> list[tuple[Any, ...]]:
        """Run one statement as a user; its rows, or none."""
        with self.connect(user) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, user: str = ADMIN) -> Any:
        """The one value of a query."""
        ((value,),) = self.rows(statement, user)
        return value

    def migrate(self) -> Report:
        """Migrate again."""
        return _migrate(self.database)

    def add(self, count: int, status: str, age: str, prefix: str = "NODE", **columns: str) -> None:
        """Adds buyers whose licences are <prefix>-1, <prefix>-2, ...; age: an interval; columns: SQL expressions."""
        method = "'wire'" if status == "pending_wire" else "'card'"
        columns = {
            "license_id": f"'{prefix}-' || n",
            "wallet": "'0x' || lpad(to_hex(n), 40, '0')",
            "tier": "'standard'",
            "status": f"'{status}'",
            "payment_method": method,
            "created_at": f"now() - interval '{age}' + n * interval '1 microsecond'",
            **columns,
        }
        self.rows(
            f"INSERT INTO buyers ({', '.join(columns)})"
            f" SELECT {', '.join(columns.values())} FROM generate_series(1, {count}) AS n",
            APP,
        )


def _migrate(database: Database) -> Report:
    placeholders = {"app_role": APP, "analytics_role": ANALYTICS}
    return migrate(Target(database.parameters(ADMIN, PASSWORD)), FOLDER, placeholders)


@pytest.fixture(scope="session")
def tudao_server(server: PostgreSQL) -> PostgreSQL:
    """A server with an administrator who is no superuser and administers two users without grants."""
    with server.connect() as connection:
        connection.execute(f"CREATE ROLE {ADMIN} LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'".encode())
        for user in (APP, ANALYTICS):
            connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'".encode())
            connection.execute(f"GRANT {user} TO {ADMIN} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE".encode())
    return server


def _deploy(server: PostgreSQL) -> Iterator[Tudao]:
    name = f"tudao_{next(_numbers)}"
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER {ADMIN} TEMPLATE template0".encode())
    database = Database(server, name)
    yield Tudao(database, _migrate(database))
    with server.connect() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def tudao(tudao_server: PostgreSQL) -> Iterator[Tudao]:
    """The schema, empty."""
    yield from _deploy(tudao_server)


@pytest.fixture(scope="module")
def tudao_of_module(tudao_server: PostgreSQL) -> Iterator[Tudao]:
    """The schema once for a whole file of tests."""
    yield from _deploy(tudao_server)
