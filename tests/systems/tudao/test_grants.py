"""What each user may do, found out by trying."""

import pytest
from psycopg import errors

from tests.systems.tudao.conftest import ADMIN, ANALYTICS, APP, FOLDER, PASSWORD, Tudao
from trellis.migrator import Target, migrate

INSERT = (
    "INSERT INTO buyers (license_id, wallet, tier, status) VALUES ('NODE-' || gen_random_uuid(),"
    " '0x' || repeat('1', 40), 'standard', 'active') RETURNING status"
)
TABLES = ("buyers", "buyers_archive", "archive_runs", "expired_wires", "purged_buyers")
PROCEDURES = ("archive_buyers", "expire_pending_wires", "purge_refunds")
NEITHER = [
    "CREATE TABLE mine (a int)",
    "CREATE TEMPORARY TABLE mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql RETURN 1",
    "DROP TABLE buyers",
    "DROP VIEW unminted_buyers",
    "ALTER TABLE buyers ADD COLUMN a int",
    "ALTER TABLE buyers DISABLE TRIGGER ALL",
    "SELECT * FROM flyway_schema_history",
    *(f"DELETE FROM {table}" for table in TABLES),
    *(f"TRUNCATE {table} CASCADE" for table in TABLES),
    *(f"CALL {procedure}()" for procedure in PROCEDURES),
    "SELECT retention_ends('active', now())",
]


def test_the_application_reads_inserts_and_updates_buyers(tudao_of_module: Tudao) -> None:
    assert tudao_of_module.rows(INSERT, APP) == [("active",)]
    tudao_of_module.rows("UPDATE buyers SET status = 'refunded'", APP)
    assert ("refunded",) in tudao_of_module.rows("SELECT status FROM buyers", APP)
    assert tudao_of_module.rows("SELECT * FROM unminted_buyers", APP) == []


@pytest.mark.parametrize(
    "statement",
    [
        *NEITHER,
        *(f"SELECT * FROM {table}" for table in TABLES[1:]),
        "INSERT INTO archive_runs (cutoff, batch_size) VALUES (now(), 1)",
        "UPDATE buyers_archive SET email = 'x'",
        "UPDATE unminted_buyers SET email = 'x'",
    ],
)
def test_what_the_application_may_not(tudao_of_module: Tudao, statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        tudao_of_module.rows(statement, APP)


@pytest.mark.parametrize("table", [*TABLES, "unminted_buyers"])
def test_analysts_read(tudao_of_module: Tudao, table: str) -> None:
    assert tudao_of_module.value(f"SELECT count(*) >= 0 FROM {table}", ANALYTICS) is True


@pytest.mark.parametrize("statement", [INSERT, "UPDATE buyers SET email = 'x'", *NEITHER])
def test_analysts_may_not_write_even_when_they_ask_for_it(tudao_of_module: Tudao, statement: str) -> None:
    with tudao_of_module.connect(ANALYTICS) as connection:
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(statement.encode())


def test_an_analyst_s_session_starts_read_only(tudao: Tudao) -> None:
    assert tudao.value("SHOW default_transaction_read_only", ANALYTICS) == "on"
    assert tudao.value("SHOW default_transaction_read_only", APP) == "off"
    with pytest.raises(errors.ReadOnlySqlTransaction):
        tudao.rows(INSERT, ANALYTICS)


def test_a_server_that_keeps_its_users_to_itself_gets_the_grants_all_the_same(tudao: Tudao) -> None:
    other = f"other_{tudao.database.name}"
    tudao.database.run(f"CREATE ROLE {other} LOGIN PASSWORD '{PASSWORD}'")
    try:
        target = Target(tudao.database.parameters(ADMIN, PASSWORD))
        done = migrate(target, FOLDER, {"app_role": APP, "analytics_role": other}).applied
        assert [migration.script for migration in done] == ["R__Grants.sql", "R__Unminted_buyers.sql"]
        assert tudao.value("SHOW default_transaction_read_only", other) == "off"
        assert tudao.value("SELECT count(*) FROM buyers", other) == 0
        with pytest.raises(errors.InsufficientPrivilege):
            tudao.rows(INSERT, other)
    finally:
        tudao.database.run(f"DROP OWNED BY {other}", f"DROP ROLE {other}")


def test_a_procedure_of_a_later_migration_is_closed_too(tudao: Tudao) -> None:
    tudao.rows("CREATE PROCEDURE later() LANGUAGE sql AS 'SELECT 1'")
    for user in (APP, ANALYTICS):
        with pytest.raises(errors.InsufficientPrivilege):
            tudao.rows("CALL later()", user)


def test_slow_queries_are_for_operators(tudao: Tudao) -> None:
    # The administrator here may not make the extension; the server's own does.
    assert tudao.value("SELECT to_regclass('slow_queries')") is None
    tudao.database.run(
        "CREATE EXTENSION pg_stat_statements", (FOLDER / "R__Slow_queries.sql").read_text(), "SELECT pg_sleep(1.05)"
    )
    ((query, slowest),) = tudao.database.rows("SELECT query, max_exec_time FROM slow_queries")
    assert query == "SELECT pg_sleep($1)"
    assert slowest > 1000
    assert tudao.value("SELECT has_table_privilege('pg_monitor', 'slow_queries', 'SELECT')") is True
    for user in (APP, ANALYTICS):
        with pytest.raises(errors.InsufficientPrivilege):
            tudao.rows("SELECT * FROM slow_queries", user)
