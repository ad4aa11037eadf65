"""FreshTrack's schema on a real PostgreSQL 15: what it keeps true, and what the application may do."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.migrator.servers import Database, PostgreSQL, server_folder
from trellis.migrator import Target, migrate

FOLDER = Path(__file__).parents[3] / "migrations" / "freshtrack" / "freshtrack"
ADMIN, APP = "doadmin", "freshtrack_app"
PASSWORD = "a password of this test server"
FARM, STORE, BERRIES, LOT = (f"00000000-0000-0000-0000-00000000000{number}" for number in range(1, 5))
REFUSED = (
    *("CREATE TABLE mine (a int)", "CREATE TEMPORARY TABLE mine (a int)", "CREATE SCHEMA mine", "DROP TABLE lots"),
    *("ALTER TABLE lots ADD COLUMN a int", "TRUNCATE lots", "SELECT * FROM flyway_schema_history"),
    *("UPDATE lot_events SET kind = 'received'", "DELETE FROM lot_events", "DELETE FROM temperature_readings"),
    "UPDATE temperature_readings SET celsius = 1",
)


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """The migrated database on a PostgreSQL 15. Its owner is no superuser."""
    with server_folder() as folder:
        server = PostgreSQL(folder, "15")
        server.start()
        try:
            with server.connect() as connection:
                connection.execute(f"CREATE ROLE {ADMIN} LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'".encode())
                connection.execute(f"CREATE ROLE {APP} LOGIN PASSWORD '{PASSWORD}'".encode())
                connection.execute(f"CREATE DATABASE freshtrack TEMPLATE template0 OWNER {ADMIN}".encode())
            made = Database(server, "freshtrack")
            run_migrations(made)
            yield made
        finally:
            server.stop()


@pytest.fixture
def app(database: Database) -> Iterator[psycopg.Connection]:
    """The application in one transaction, which is rolled back, with a lot of berries on its way."""
    with database.connect(APP, PASSWORD) as connection, connection.transaction(force_rollback=True):
        for statement in (
            f"INSERT INTO sites (id, name, kind) VALUES ('{FARM}', 'Hill', 'farm'), ('{STORE}', 'Corner', 'store')",
            "INSERT INTO products (id, name, shelf_life, min_celsius, max_celsius)"
            f" VALUES ('{BERRIES}', 'Berries', '5 days', 0, 4)",
            "INSERT INTO lots (id, code, product_id, farm_id, harvested_at)"
            f" VALUES ('{LOT}', 'B-001', '{BERRIES}', '{FARM}', '2026-06-01')",
            "INSERT INTO lot_events (lot_id, site_id, kind, happened_at)"
            f" VALUES ('{LOT}', '{FARM}', 'dispatched', '2026-06-01'), ('{LOT}', '{STORE}', 'received', '2026-06-02')",
            "INSERT INTO temperature_readings (lot_id, measured_at, celsius)"
            f" VALUES ('{LOT}', '2026-06-01', 2), ('{LOT}', '2026-06-02', 4), ('{LOT}', '2026-06-03', 4.1)",
        ):
            connection.execute(statement.encode())
        yield connection


def run_migrations(database: Database) -> int:
    """Brings the schema up to date as the administrator; how many files that took."""
    return len(migrate(Target(database.parameters(ADMIN, PASSWORD)), FOLDER, {"app_role": APP}).applied)


def test_freshness_follows_from_harvest_events_and_readings(app: psycopg.Connection) -> None:
    found = app.execute(
        "SELECT code, product, site_id::text, last_event, best_before - '2026-06-01'::timestamptz = '5 days',"
        " readings_outside, readings FROM lot_freshness"
    ).fetchall()
    assert found == [("B-001", "Berries", STORE, "received", True, 1, 3)]


def test_what_comes_twice_counts_once(app: psycopg.Connection) -> None:
    for statement in (
        "INSERT INTO temperature_readings SELECT * FROM temperature_readings",
        "INSERT INTO lot_events (lot_id, site_id, kind, happened_at)"
        " SELECT lot_id, site_id, kind, happened_at FROM lot_events",
    ):
        assert app.execute(f"{statement} ON CONFLICT DO NOTHING".encode()).rowcount == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE products SET max_celsius = min_celsius",
        "UPDATE products SET shelf_life = '-1 day'",
        "UPDATE lots SET code = 'x'",
        "UPDATE sites SET kind = 'moon'",
        f"INSERT INTO temperature_readings VALUES ('{LOT}', now(), 91)",
    ],
)
def test_what_makes_no_sense_is_refused(app: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation), app.transaction():
        app.execute(statement.encode())


def test_the_application_makes_nothing_and_rewrites_no_history(app: psycopg.Connection) -> None:
    for statement in REFUSED:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), app.transaction():
            app.execute(statement.encode())


def test_a_changed_row_says_when(app: psycopg.Connection) -> None:
    app.execute("UPDATE sites SET name = 'Hillside', updated_at = '2020-01-01' WHERE kind = 'farm'")
    assert app.execute("SELECT updated_at = now() FROM sites WHERE kind = 'farm'").fetchall() == [(True,)]


def test_a_second_run_changes_nothing(database: Database) -> None:
    before = database.snapshot()
    assert run_migrations(database) == 0
    assert database.snapshot() == before


def test_everything_says_what_it_is(database: Database) -> None:
    silent = database.rows(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
        " AND relname <> 'flyway_schema_history' AND obj_description(oid, 'pg_class') IS NULL"
    )
    assert silent == []
