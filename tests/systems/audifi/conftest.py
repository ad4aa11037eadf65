"""One server and one migrated database for the whole folder; tests take back what they change, or have a copy."""

import itertools
from collections.abc import Iterator

import pytest

from tests.migrator.conftest import server
from tests.migrator.servers import Database, PostgreSQL
from tests.systems.audifi.product import ADMIN, ANALYTICS, APP, INDEXER, PASSWORD, AudiFi, AudiFiInOneTransaction

__all__ = ["server"]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def migrated(server: PostgreSQL) -> AudiFi:
    """The schema as the migrations leave it, for tests that leave it so too."""
    with server.connect() as connection:
        connection.execute(f"CREATE ROLE {ADMIN} LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'".encode())
        for role in (APP, ANALYTICS, INDEXER):
            connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'".encode())
        connection.execute(f"CREATE DATABASE audifi TEMPLATE template0 OWNER {ADMIN}".encode())
    made = AudiFi(Database(server, "audifi"))
    made.migrate()
    return made


@pytest.fixture
def audifi(migrated: AudiFi) -> Iterator[AudiFi]:
    """The migrated database in one transaction, which is rolled back."""
    with migrated.database.connect() as connection, connection.transaction(force_rollback=True):
        yield AudiFiInOneTransaction(migrated.database, connection)


@pytest.fixture
def copied(migrated: AudiFi) -> Iterator[AudiFi]:
    """A copy of the migrated database, for what commits or takes several sessions."""
    server, name = migrated.database.server, f"audifi_{next(_numbers)}"
    with server.connect() as connection:
        connection.execute(
            f"CREATE DATABASE {name} TEMPLATE {migrated.database.name} OWNER {ADMIN} STRATEGY file_copy".encode()
        )
    yield AudiFi(Database(server, name))
    with server.connect() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
