"""Metrics on a real TimescaleDB, the Apache edition on PostgreSQL 17: the migrations, the service, its maintenance."""

import itertools
from collections.abc import Iterator

import psycopg
import pytest

from tests.migrator.servers import Database, PostgreSQL, server_folder
from tests.systems.capsule.product import ADMIN, PASSWORD, Service
from tests.systems.capsule.test_monitor import CPU, define, sample

SHAPE = {
    "columns": "SELECT column_name, data_type, column_default, is_nullable FROM information_schema.columns"
    " WHERE table_name = 'metrics' ORDER BY ordinal_position",
    "indexes": "SELECT indexname, replace(indexdef, ' ONLY ', ' ') FROM pg_indexes"
    " WHERE schemaname = 'public' AND tablename = 'metrics' ORDER BY 1",
    "constraints": "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE conrelid = 'metrics'::regclass AND contype <> 'n' ORDER BY 1",
    # MAINTAIN is younger than PostgreSQL 15.
    "rights": "SELECT replace(unnest(relacl)::text, 'Dxtm/', 'Dxt/') FROM pg_class"
    " WHERE relname IN ('metrics', 'threshold_breaches') ORDER BY 1",
}
CHUNKS = "SELECT range_start::date::text FROM timescaledb_information.chunks ORDER BY 1"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def timescale() -> Iterator[PostgreSQL]:
    with server_folder() as folder:
        postgresql = PostgreSQL(folder, "17")
        postgresql.start(
            {"shared_preload_libraries": "pg_stat_statements,timescaledb", "timescaledb.telemetry_level": "off"}
        )
        try:
            with postgresql.connect() as connection:
                connection.execute(f"CREATE ROLE {ADMIN} LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'".encode())
                connection.execute(f"CREATE ROLE monitor_user LOGIN PASSWORD '{PASSWORD}'".encode())
            yield postgresql
        finally:
            postgresql.stop()


@pytest.fixture
def monitor(timescale: PostgreSQL) -> Iterator[Service]:
    """A new database of the service's, migrated, with a metric in it."""
    name = f"monitor_{next(_numbers)}"
    with timescale.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 OWNER {ADMIN}".encode())
    made = Service("monitor", Database(timescale, name))
    made.migrate()
    define(made)
    yield made
    with timescale.connect() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_the_migrations_make_a_hypertable_of_days(monitor: Service) -> None:
    assert monitor.run("SELECT engine FROM metric_storage") == [("timescaledb",)]
    assert monitor.admin("SHOW timescaledb.license") == [("apache",)]
    made = "SELECT column_name, time_interval::text FROM timescaledb_information.dimensions"
    assert monitor.admin(made) == [("observed_at", "1 day")]
    assert monitor.migrate().applied == ()


def test_the_service_finds_the_same_table_on_both_engines(monitor: Service, services: dict[str, Service]) -> None:
    for what, query in SHAPE.items():
        assert monitor.admin(query) == services["monitor"].admin(query), what


def test_samples_count_once_by_their_labels_and_break_rules(monitor: Service) -> None:
    sample(monitor, "now()", "now()", value=95)
    assert monitor.run("SELECT source, value FROM threshold_breaches") == [("api-1", 95)]
    insert = f"INSERT INTO metrics VALUES ('{CPU}', 'host', '2041-01-01', 1, %s) ON CONFLICT DO NOTHING"
    for labels in ('{"core": 0}', '{"core": 1}', '{"core":0}'):
        monitor.run(insert, labels)
    assert monitor.value("SELECT count(*) FROM metrics WHERE source = 'host'") == 2
    monitor.refused(
        psycopg.errors.InsufficientPrivilege,
        "UPDATE metrics SET value = 1",
        "DELETE FROM metrics",
        "SELECT drop_chunks('metrics', older_than => now())",
    )


def test_days_come_with_their_samples_and_old_ones_go(monitor: Service) -> None:
    sample(monitor, "now() - interval '91 days'", "now() - interval '10 days'", "now()")
    assert len(monitor.admin(CHUNKS)) == 3
    monitor.run("CALL maintain_metrics()")
    assert monitor.run("SELECT count(*), min(observed_at) > now() - interval '11 days' FROM metrics") == [(2, True)]
    assert len(monitor.admin(CHUNKS)) == 2
    monitor.admin("UPDATE metric_storage SET keep = '10 days', compress_after = '1 day'")
    sample(monitor, "'2041-01-01 12:00+00'", "'2041-01-02 12:00+00'")
    monitor.admin("CALL maintain_metric_storage('2041-01-12 18:00+00')")
    assert monitor.admin(CHUNKS) == [("2041-01-02",)]


def test_a_query_of_one_series_reads_its_days_alone(monitor: Service) -> None:
    sample(monitor, "'2041-01-01 12:00+00'", "'2041-01-02 12:00+00'", "'2041-01-03 12:00+00'")
    plan = monitor.run(
        "EXPLAIN (COSTS OFF) SELECT value FROM metrics"
        f" WHERE metric_id = '{CPU}' AND observed_at >= '2041-01-02' AND observed_at < '2041-01-03'"
    )
    assert len({line.split(" on ")[1].split()[0] for (line,) in plan if " on _hyper" in line}) == 1, plan


def test_compression_is_refused_by_this_edition_as_the_migration_expects(monitor: Service) -> None:
    monitor.refused(psycopg.errors.FeatureNotSupported, "ALTER TABLE metrics SET (timescaledb.compress)", user=ADMIN)
    monitor.refused(
        psycopg.errors.FeatureNotSupported, "SELECT add_retention_policy('metrics', INTERVAL '9 days')", user=ADMIN
    )


def test_a_database_of_before_gets_the_wider_key_with_its_rows(monitor: Service) -> None:
    """The key of version 1.0.3 put back, with rows under it; its migration runs over them."""
    for statement in (
        "ALTER TABLE metrics DROP CONSTRAINT metrics_pkey",
        "ALTER TABLE metrics ADD PRIMARY KEY (metric_id, source, observed_at)",
        "DELETE FROM flyway_schema_history WHERE version IN ('1.0.4', '1.0.5')",
    ):
        monitor.admin(statement)
    sample(monitor, "'2041-01-01 12:00+00'", "'2041-01-02 12:00+00'")
    assert [item.version for item in monitor.migrate().applied][:1] == ["1.0.4"]
    sample(monitor, "'2041-01-01 12:00+00'")
    insert = f"INSERT INTO metrics VALUES ('{CPU}', 'api-1', '2041-01-01 12:00+00', 1, '{{\"a\": 1}}')"
    monitor.run(insert)
    assert monitor.value("SELECT count(*) FROM metrics") == 3
