"""The path that TimescaleDB's Community Edition would take, with stand-ins for its functions: that the calls fit.

Debian may not build that edition, so it is not on the machine that runs these tests; test_timescaledb.py has the other
one. stand_in.sql has functions of its documented signatures.
"""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.migrator.servers import Database, PostgreSQL
from tests.systems.capsule.product import ADMIN, Service

STAND_IN = Path(__file__).parent / "stand_in.sql"
CALLS = "SELECT call FROM stand_in.calls ORDER BY id"


@pytest.fixture
def stand_in(server: PostgreSQL) -> Iterator[Service]:
    """The monitor service where a stand-in says that TimescaleDB is installed, under the licence of most clouds."""
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE stand_in TEMPLATE template0 OWNER {ADMIN}".encode())
        connection.execute("ALTER DATABASE stand_in SET timescaledb.license = 'apache'")
    service = Service("monitor", Database(server, "stand_in"))
    with service.database.connect() as connection:
        connection.execute("SET allow_system_table_mods = on")
        connection.execute(STAND_IN.read_bytes())
    yield service
    with server.connect() as connection:
        connection.execute("DROP DATABASE stand_in WITH (FORCE)")


def license_as(service: Service, name: str) -> None:
    """Changes the licence that the server says it has."""
    with service.database.connect() as connection:
        connection.execute(f"ALTER DATABASE stand_in SET timescaledb.license = '{name}'".encode())


def test_the_community_licence_compresses(stand_in: Service) -> None:
    stand_in.migrate()
    license_as(stand_in, "timescale")
    stand_in.database.run("UPDATE timescaledb_information.hypertables SET compression_enabled = true")
    stand_in.admin("CALL maintain_metric_storage('2041-01-31 18:00+00')")
    assert stand_in.admin(CALLS)[-3:] == [
        ("drop_chunks metrics 2040-11-02 00:00:00",),
        ("show_chunks metrics 2041-01-24 00:00:00",),
        ("compress_chunk pg_class t",),
    ]


def test_compression_is_switched_on_by_a_statement_that_postgresql_can_read(stand_in: Service) -> None:
    """PostgreSQL parses it and then misses the extension that the settings belong to."""
    stand_in.migrate()
    license_as(stand_in, "timescale")
    with pytest.raises(psycopg.errors.InvalidParameterValue) as refused:
        stand_in.run("CALL maintain_metrics()")
    assert refused.value.diag.message_primary == 'unrecognized parameter namespace "timescaledb"'
