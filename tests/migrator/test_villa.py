"""Villa's migrations, end to end, as the roles a managed server has."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.migrator.servers import Database
from trellis.migrator import Report, Target, discover, migrate

FOLDER = Path(__file__).parents[2] / "migrations" / "villa" / "villa"
ADMIN, ADMIN_PASSWORD = "doadmin", "admin-password"
APP, APP_PASSWORD = "villa_app", "app-password"
PLACEHOLDERS = {"app_role": APP}


@pytest.fixture
def villa(database: Database) -> Iterator[Database]:
    """A database owned by an administrator who is no superuser, and an application role without grants."""
    database.run(
        f"CREATE ROLE {ADMIN} LOGIN CREATEDB CREATEROLE PASSWORD '{ADMIN_PASSWORD}'",
        f"CREATE ROLE {APP} LOGIN PASSWORD '{APP_PASSWORD}'",
        f"ALTER DATABASE {database.name} OWNER TO {ADMIN}",
    )
    yield database
    database.run(f"DROP OWNED BY {APP}, {ADMIN}", f"REASSIGN OWNED BY {ADMIN} TO CURRENT_USER", f"DROP ROLE {APP}")
    with database.server.connect() as connection:
        connection.execute(f"ALTER DATABASE {database.name} OWNER TO CURRENT_USER")
    database.run(f"DROP OWNED BY {ADMIN}", f"DROP ROLE {ADMIN}")


def up(database: Database, user: str = ADMIN, password: str = ADMIN_PASSWORD) -> Report:
    return migrate(Target(database.parameters(user, password)), FOLDER, PLACEHOLDERS)


def as_app(database: Database, statement: str) -> list[tuple[Any, ...]]:
    with database.connect(APP, APP_PASSWORD) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_the_schema_is_the_design_s(villa: Database) -> None:
    report = up(villa)
    assert [done.version for done in report.applied] == [
        *("1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4", "1.0.5", "1.0.6", None, None)
    ]
    columns = villa.rows(
        "SELECT table_name, string_agg(column_name || ' ' || udt_name"
        " || coalesce('(' || character_maximum_length || ')', '')"
        " || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END || coalesce(' = ' || column_default, ''), ', '"
        " ORDER BY ordinal_position) FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name <> 'flyway_schema_history' GROUP BY 1 ORDER BY 1"
    )
    key = "id uuid not null = uuid_generate_v4()"
    created = "created_at timestamptz = now()"
    assert dict(columns) == {
        "audit_log": (
            f"{key}, address varchar(42), action varchar(50) not null, details jsonb, ip_address inet, {created}"
        ),
        "ens_registrations": (
            f"{key}, address varchar(42) not null, ens_name varchar(255) not null, chain_id int4 not null,"
            " tx_hash varchar(66), registered_at timestamptz = now(), expires_at timestamptz"
        ),
        "nickname_reservations": (
            f"{key}, nickname_normalized varchar(32) not null, address varchar(42) not null,"
            f" expires_at timestamptz not null, {created}"
        ),
        "profiles": (
            f"{key}, address varchar(42) not null, nickname varchar(32), nickname_normalized varchar(32),"
            " avatar_style varchar(20) = 'bottts'::character varying, avatar_seed varchar(64),"
            f" avatar_gender varchar(10), {created}, updated_at timestamptz = now()"
        ),
    }
    indexes = villa.rows(
        "SELECT tablename, array_agg(indexname::text ORDER BY indexname) FROM pg_indexes"
        " WHERE schemaname = 'public' AND tablename <> 'flyway_schema_history' GROUP BY 1"
    )
    assert dict(indexes) == {
        "audit_log": ["audit_log_pkey", "idx_audit_address", "idx_audit_created"],
        "ens_registrations": ["ens_registrations_address_key", "ens_registrations_pkey"],
        "nickname_reservations": [
            *("idx_reservations_expires", "nickname_reservations_nickname_normalized_key"),
            "nickname_reservations_pkey",
        ],
        "profiles": [
            *("idx_profiles_address", "idx_profiles_nickname", "profiles_address_key", "profiles_nickname_key"),
            *("profiles_nickname_normalized_key", "profiles_pkey"),
        ],
    }
    assert villa.rows("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal") == [("profiles_updated_at",)]


def test_updated_at_moves(villa: Database) -> None:
    up(villa)
    as_app(villa, "INSERT INTO profiles (address, nickname, nickname_normalized) VALUES ('0x12', 'test', 'test')")
    as_app(villa, "UPDATE profiles SET avatar_seed = 'x'")
    assert as_app(villa, "SELECT updated_at > created_at, avatar_style FROM profiles") == [(True, "bottts")]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (a int)",
        "CREATE TEMPORARY TABLE mine (a int)",
        "CREATE SCHEMA mine",
        "DROP TABLE profiles",
        "ALTER TABLE profiles ADD COLUMN a int",
        "TRUNCATE profiles",
        "UPDATE audit_log SET action = 'x'",
        "DELETE FROM audit_log",
        "SELECT * FROM flyway_schema_history",
        "DELETE FROM flyway_schema_history",
    ],
)
def test_what_the_application_may_not(villa: Database, statement: str) -> None:
    up(villa)
    with pytest.raises((psycopg.errors.InsufficientPrivilege,)):
        as_app(villa, statement)


def test_what_the_application_may(villa: Database) -> None:
    up(villa)
    for table in ("profiles", "nickname_reservations", "ens_registrations"):
        as_app(villa, f"DELETE FROM {table}")
    as_app(villa, "INSERT INTO audit_log (action) VALUES ('signed in')")
    assert as_app(villa, "SELECT action FROM audit_log") == [("signed in",)]
    with villa.connect(ADMIN, ADMIN_PASSWORD) as connection:
        connection.execute("CREATE TABLE later (id serial, a int)")
    assert as_app(villa, "INSERT INTO later (a) VALUES (1) RETURNING id") == [(1,)]


def test_slow_queries_where_the_administrator_may_not_make_the_extension(villa: Database) -> None:
    up(villa)
    assert villa.rows("SELECT to_regclass('slow_queries')") == [(None,)]
    assert villa.rows("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'") == [("uuid-ossp",)]


def test_slow_queries_where_the_extension_is(villa: Database) -> None:
    villa.run("CREATE EXTENSION pg_stat_statements")
    up(villa)
    with villa.connect() as connection:
        connection.execute("SELECT pg_stat_statements_reset()")
        connection.execute("SELECT 'a slow one', pg_sleep(0.15)")
        connection.execute("SELECT 'a quick one'")
        found = connection.execute("SELECT query FROM slow_queries").fetchall()
    assert [query for (query,) in found if "pg_sleep" in query]
    assert not [query for (query,) in found if query == "SELECT $1"]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_app(villa, "SELECT * FROM slow_queries")
    granted = villa.rows("SELECT has_table_privilege('pg_monitor', 'slow_queries', 'SELECT')")
    assert granted == [(True,)]


def test_a_second_run_changes_nothing(villa: Database) -> None:
    up(villa)
    before = villa.snapshot()
    assert up(villa).applied == ()
    assert villa.snapshot() == before


def test_another_application_role_gets_its_grants(villa: Database) -> None:
    up(villa)
    target = Target(villa.parameters(ADMIN, ADMIN_PASSWORD))
    done = migrate(target, FOLDER, {"app_role": ADMIN}).applied
    assert [migration.script for migration in done] == ["R__Grants.sql", "R__Slow_queries.sql"]


def test_every_file_says_what_it_is_for() -> None:
    assert all(file.description and "_" not in file.description for file in discover(FOLDER))
