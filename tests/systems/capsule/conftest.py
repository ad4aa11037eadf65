"""Capsule's four databases in one PostgreSQL 15: the closest they can stand, since roles are shared."""

import itertools
from collections.abc import Iterator

import pytest

from tests.migrator.servers import Database, PostgreSQL, server_folder
from tests.systems.capsule.product import ADMIN, PASSWORD, SERVICES, Service, ServiceInOneTransaction

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQL]:
    """A running PostgreSQL 15 with an administrator who is no superuser and a user for each service."""
    with server_folder() as folder:
        postgresql = PostgreSQL(folder, "15")
        postgresql.start()
        try:
            with postgresql.connect() as connection:
                connection.execute(f"CREATE ROLE {ADMIN} LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'".encode())
                for service in SERVICES:
                    connection.execute(f"CREATE ROLE {service}_user LOGIN PASSWORD '{PASSWORD}'".encode())
            yield postgresql
        finally:
            postgresql.stop()


@pytest.fixture(scope="session")
def services(server: PostgreSQL) -> dict[str, Service]:
    """Every service's database as the migrations leave it, for tests that leave it so too."""
    made = {}
    for name in SERVICES:
        with server.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}_service_db TEMPLATE template0 OWNER {ADMIN}".encode())
        made[name] = Service(name, Database(server, f"{name}_service_db"))
        made[name].migrate()
    return made


@pytest.fixture
def in_one_transaction(services: dict[str, Service], request: pytest.FixtureRequest) -> Iterator[Service]:
    """The service that the test's module names, in one transaction, which is rolled back."""
    service = services[request.module.SERVICE]
    with service.database.connect() as connection, connection.transaction(force_rollback=True):
        yield ServiceInOneTransaction(service.name, service.database, connection)


@pytest.fixture
def copied(services: dict[str, Service], request: pytest.FixtureRequest) -> Iterator[Service]:
    """A copy of its database, or of that of the asked service, for what commits or takes several sessions."""
    service = services[getattr(request, "param", None) or request.module.SERVICE]
    server, name = service.database.server, f"{service.name}_{next(_numbers)}"
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {service.database.name} OWNER {ADMIN}".encode())
    copy = Service(service.name, Database(server, name))
    with copy.database.connect() as connection:
        connection.execute(f"GRANT CONNECT ON DATABASE {name} TO {copy.user}".encode())
    yield copy
    with server.connect() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
