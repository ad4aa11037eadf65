"""A service of Capsule: its database, as the administrator and the service itself see it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.migrator import servers
from tests.migrator.servers import Database
from trellis.migrator import Report, Target, migrate

FOLDER = Path(__file__).parents[3] / "migrations" / "capsule"
SERVICES = ("auth", "billing", "deploy", "monitor")
ADMIN = "doadmin"
SUPERUSER = servers.ADMIN
PASSWORD = "a password of this test server"


@dataclass(frozen=True)
class Service:
    """A service's database. Its owner is no superuser."""

    name: str
    database: Database

    @property
    def user(self) -> str:
        """The service's own user."""
        return f"{self.name}_user"

    @property
    def folder(self) -> Path:
        """Its migrations."""
        return FOLDER / f"{self.name}_service_db"

    def migrate(self) -> Report:
        """Brings the schema up to date as the administrator."""
        return migrate(Target(self.database.parameters(ADMIN, PASSWORD)), self.folder, {"app_role": self.user})

    @contextmanager
    def session(self, user: str) -> Iterator[psycopg.Connection]:
        """A connection as a user, outside any transaction."""
        with self.database.connect(user, PASSWORD) as connection:
            yield connection

    def run(self, statement: str, *values: Any, user: str = "") -> list[tuple[Any, ...]]:
        """Runs one statement, as the service unless a user is named, and gives its rows."""
        with self.session(user or self.user) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, *values: Any, user: str = "") -> Any:
        """The one value of a statement."""
        ((value,),) = self.run(statement, *values, user=user)
        return value

    def admin(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Runs one statement as the administrator and gives its rows."""
        return self.run(statement, *values, user=ADMIN)

    def refused(self, error: type[psycopg.Error], *statements: str, user: str = "") -> None:
        """Each statement fails with this error, and leaves nothing."""
        for statement in statements:
            try:
                with self.session(user or self.user) as connection, connection.transaction(force_rollback=True):
                    connection.execute(statement.encode())
            except error:
                continue
            pytest.fail(f"not refused: {statement}")

    def indexes(self, query: str) -> set[str]:
        """The indexes that the plan of a query uses, partitions' by the name of their table's index."""
        (plan,) = self.value(f"EXPLAIN (FORMAT JSON) {query}")
        names = {node["Index Name"] for node in _nodes(plan["Plan"]) if "Index Name" in node}
        found = self.admin(
            "SELECT DISTINCT coalesce(pg_partition_root(c.oid)::regclass::text, c.relname)"
            " FROM pg_class c WHERE c.relname = ANY (%s)",
            list(names),
        )
        return {name for (name,) in found}


@dataclass(frozen=True)
class ServiceInOneTransaction(Service):
    """The same inside one open transaction of a superuser, who takes each user in turn. What fails is undone."""

    connection: psycopg.Connection

    @contextmanager
    def session(self, user: str) -> Iterator[psycopg.Connection]:
        """The one connection, with the rights of a user and no more."""
        with self.connection.transaction():
            self.connection.execute(f"SET LOCAL SESSION AUTHORIZATION {user}".encode())
            yield self.connection


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
