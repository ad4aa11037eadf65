"""Metrics in days, alert rules and alerts, as the service sees them."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.systems.capsule.product import ADMIN, SUPERUSER, Service

SERVICE = "monitor"
CPU, RULE = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"
DAYS = (
    "SELECT right(relname, 10) FROM pg_inherits JOIN pg_class ON oid = inhrelid"
    " WHERE inhparent = 'metrics'::regclass AND relname <> 'metrics_default' ORDER BY 1"
)
WHERE = "SELECT observed_at::date::text, tableoid::regclass::text FROM metrics ORDER BY observed_at"


@pytest.fixture
def monitor(in_one_transaction: Service) -> Service:
    """A metric and a rule, gone afterwards."""
    define(in_one_transaction)
    return in_one_transaction


def define(monitor: Service) -> None:
    """A metric, and a rule that it breaks above 80."""
    monitor.run(
        f"INSERT INTO metric_definitions (id, name, kind, unit, description)"
        f" VALUES ('{CPU}', 'cpu.used', 'gauge', 'percent', 'Share of the CPU that is in use')"
    )
    monitor.run(
        "INSERT INTO alert_rules (id, metric_id, name, comparison, threshold)"
        f" VALUES ('{RULE}', '{CPU}', 'CPU', 'above', 80)"
    )


def sample(monitor: Service, *times: str, source: str = "api-1", value: float = 50) -> None:
    """Writes samples; a time is an SQL expression."""
    for time in times:
        monitor.run(
            f"INSERT INTO metrics (metric_id, source, observed_at, value) VALUES ('{CPU}', %s, {time}, %s)"
            " ON CONFLICT DO NOTHING",
            source,
            value,
        )


def days(monitor: Service) -> list[str]:
    """The days that are made."""
    return [day for (day,) in monitor.admin(DAYS)]


def test_the_migration_makes_today_and_seven_days_more(services: dict[str, Service]) -> None:
    expected = services["monitor"].admin(
        "SELECT to_char((initialized_at AT TIME ZONE 'UTC')::date + n, 'YYYY_MM_DD')"
        " FROM service_configuration, generate_series(0, 7) n"
    )
    made = days(services["monitor"])
    assert made == [day for (day,) in expected]
    assert services["monitor"].run("SELECT engine FROM metric_storage") == [("partitions",)]


def test_days_are_made_across_a_year_and_once(monitor: Service) -> None:
    for _ in range(2):
        monitor.admin("CALL maintain_metric_storage('2041-12-29 23:30:00-02')")
    assert days(monitor) == [
        *("2041_12_30", "2041_12_31", "2042_01_01", "2042_01_02", "2042_01_03"),
        *("2042_01_04", "2042_01_05", "2042_01_06"),
    ]


def test_the_service_makes_room_and_deletes_what_is_old(monitor: Service) -> None:
    sample(monitor, "now() - interval '91 days'", "now() - interval '10 days'", "now()")
    monitor.run("CALL maintain_metrics()")
    assert monitor.run("SELECT count(*), min(observed_at) > now() - interval '11 days' FROM metrics") == [(2, True)]
    assert monitor.admin("SELECT count(*) FROM partitions.metrics_default") == [(0,)]


def test_how_far_ahead_is_a_setting(monitor: Service) -> None:
    monitor.admin("UPDATE metric_storage SET days_ahead = 1")
    monitor.admin("CALL maintain_metric_storage('2041-01-01')")
    assert days(monitor) == ["2041_01_01", "2041_01_02"]
    monitor.refused(psycopg.errors.InsufficientPrivilege, "UPDATE metric_storage SET days_ahead = 1")


def test_days_begin_at_midnight_utc_whatever_the_session_says(monitor: Service) -> None:
    monitor.run("SET LOCAL timezone = 'America/New_York'")
    monitor.admin("CALL maintain_metric_storage('2041-03-01 00:30:00+00')")
    sample(monitor, "'2041-03-01 23:59:59.999999+00'", "'2041-03-02 00:00:00+00'")
    parts = monitor.admin("SELECT right(tableoid::regclass::text, 10) FROM metrics ORDER BY observed_at")
    assert parts == [("2041_03_01",), ("2041_03_02",)]


def test_samples_of_the_default_partition_move_when_their_day_is_made(monitor: Service) -> None:
    sample(monitor, "'2041-01-01 12:00'", "'2041-01-03 12:00'", "'2049-01-01'", "'2040-12-20'")
    before = monitor.run("SELECT * FROM metrics ORDER BY observed_at")
    monitor.admin("UPDATE metric_storage SET days_ahead = 2")
    monitor.admin("CALL maintain_metric_storage('2041-01-01')")
    assert monitor.admin(WHERE) == [
        ("2040-12-20", "partitions.metrics_2040_12_20"),
        ("2041-01-01", "partitions.metrics_2041_01_01"),
        ("2041-01-03", "partitions.metrics_2041_01_03"),
        ("2049-01-01", "partitions.metrics_default"),
    ]
    assert monitor.run("SELECT * FROM metrics ORDER BY observed_at") == before


def test_days_older_than_they_are_kept_go(monitor: Service) -> None:
    monitor.admin("UPDATE metric_storage SET keep = '10 days', compress_after = '1 day'")
    monitor.admin("CALL maintain_metric_storage('2041-01-01')")
    sample(monitor, "'2041-01-01 12:00'", "'2041-01-02 12:00'", "'2040-12-25 12:00'", "'2030-01-01'")
    monitor.admin("CALL maintain_metric_storage('2041-01-12 18:00')")
    assert monitor.run("SELECT observed_at::date::text FROM metrics") == [("2041-01-02",)]
    assert days(monitor)[0] == "2041_01_02"


def test_many_calls_at_once_make_each_day_once(copied: Service) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: copied.admin("CALL maintain_metric_storage('2041-01-01')"), range(4)))
    assert [day for day in days(copied) if day.startswith("2041")] == [f"2041_01_0{day}" for day in range(1, 9)]


def test_a_day_whose_lock_is_not_free_is_left_for_the_next_run(copied: Service) -> None:
    define(copied)
    sample(copied, "'2041-01-01 12:00'")
    copied.admin("UPDATE metric_storage SET days_ahead = 1")
    call = "CALL maintain_metric_storage('2041-01-01')"
    with copied.session(ADMIN) as reader, reader.transaction():
        reader.execute("SELECT FROM partitions.metrics_default")
        copied.admin(call)
        assert [day for day in days(copied) if day.startswith("2041")] == []
    copied.admin(call)
    assert [day for day in days(copied) if day.startswith("2041")] == ["2041_01_01", "2041_01_02"]
    assert copied.value("SELECT count(*) FROM metrics") == 1


def test_series_that_differ_in_their_labels_alone_are_kept_apart(monitor: Service) -> None:
    insert = f"INSERT INTO metrics VALUES ('{CPU}', 'host', '2041-01-01', 1, %s) ON CONFLICT DO NOTHING"
    for labels in ('{"core": 0, "node": "a"}', '{"core": 1, "node": "a"}', '{"node": "a", "core": 0}'):
        monitor.run(insert, labels)
    assert monitor.run("SELECT labels->>'core' FROM metrics ORDER BY 1") == [("0",), ("1",)]
    assert "metrics_pkey" in monitor.indexes(f"SELECT FROM metrics WHERE metric_id = '{CPU}' AND source = 'host'")


def test_a_sample_counts_once_and_does_not_change(monitor: Service) -> None:
    sample(monitor, "now()", "now()")
    sample(monitor, "now()", value=99)
    assert monitor.run("SELECT value FROM metrics") == [(50,)]
    monitor.refused(
        psycopg.errors.InsufficientPrivilege,
        "UPDATE metrics SET value = 1",
        "DELETE FROM metrics",
        "TRUNCATE metrics",
        "SELECT FROM partitions.metrics_default",
        "CALL maintain_metric_storage('2100-01-01')",
        "CALL maintain_metric_partitions('2100-01-01')",
        "CALL maintain_metric_hypertable('2100-01-01')",
        "CALL make_metric_day(now())",
    )


def test_a_sample_of_what_is_not_defined_is_refused(monitor: Service) -> None:
    unknown = f"INSERT INTO metrics (metric_id, source, observed_at, value) VALUES ('{RULE}', 'api-1', now(), 1)"
    monitor.refused(psycopg.errors.ForeignKeyViolation, unknown)
    monitor.refused(psycopg.errors.CheckViolation, unknown.replace(RULE, CPU).replace("'api-1'", "''"))


@pytest.mark.parametrize(
    ("comparison", "aggregate", "broken_by"),
    [
        ("above", "avg", {"api-2": 90}),
        ("above", "max", {"api-1": 100, "api-2": 90}),
        ("above", "min", {"api-2": 90}),
        ("below", "avg", {"api-1": 65, "api-3": 0}),
        ("below", "min", {"api-1": 30, "api-3": 0}),
    ],
)
def test_a_threshold_is_broken(monitor: Service, comparison: str, aggregate: str, broken_by: dict[str, float]) -> None:
    sample(monitor, "now() - interval '1 minute'", value=30)
    sample(monitor, "now() - interval '2 minutes'", value=100)
    sample(monitor, "now() - interval '6 minutes'", "now() + interval '1 minute'", value=1000)
    sample(monitor, "now() - interval '1 minute'", source="api-2", value=90)
    sample(monitor, "now() - interval '1 minute'", source="api-3", value=0)
    monitor.run("UPDATE alert_rules SET comparison = %s, aggregate = %s", comparison, aggregate)
    assert dict(monitor.run("SELECT source, value FROM threshold_breaches")) == broken_by
    monitor.run("UPDATE alert_rules SET enabled = false")
    assert monitor.run("SELECT FROM threshold_breaches") == []


def test_an_alert_is_raised_once_until_it_is_resolved(monitor: Service) -> None:
    sample(monitor, "now()", value=95)
    raise_alerts = (
        "INSERT INTO alerts (rule_id, source, value) SELECT rule_id, source, value FROM threshold_breaches"
        " ON CONFLICT (rule_id, source) WHERE resolved_at IS NULL DO UPDATE SET value = excluded.value"
    )
    monitor.run(raise_alerts)
    monitor.run(raise_alerts)
    assert monitor.run("SELECT source, value FROM alerts") == [("api-1", 95)]
    monitor.run("UPDATE alerts SET resolved_at = now()")
    monitor.run(raise_alerts)
    assert monitor.run("SELECT resolved_at IS NULL FROM alerts ORDER BY 1") == [(False,), (True,)]


def test_queries_use_their_indexes_and_only_their_days(monitor: Service) -> None:
    monitor.admin("UPDATE metric_storage SET days_ahead = 7")
    monitor.admin("CALL maintain_metric_storage('2041-01-01')")
    monitor.run(
        "INSERT INTO metric_definitions (id, name, kind, unit, description)"
        " SELECT md5(n::text)::uuid, 'metric.' || n, 'gauge', '1', 'x' FROM generate_series(1, 200) n"
    )
    monitor.run("SET LOCAL session_replication_role = replica", user=SUPERUSER)
    monitor.admin(
        "INSERT INTO metrics SELECT md5((n % 200 + 1)::text)::uuid, 'source-' || n % 10,"
        " '2041-01-01'::timestamptz + n * interval '8 seconds', n FROM generate_series(0, 79999) n"
    )
    monitor.admin("ANALYZE metrics")
    series = "SELECT * FROM metrics WHERE metric_id = md5('7')::uuid"
    recent = "observed_at >= '2041-01-03 12:00' AND observed_at < '2041-01-03 13:00'"
    for query, index in (
        (f"{series} AND source = 'source-6' AND {recent}", "metrics_pkey"),
        (f"{series} AND {recent}", "metrics_metric_id_idx"),
        (f"{series} AND {recent} ORDER BY observed_at DESC LIMIT 1", "metrics_metric_id_idx"),
        (f"SELECT count(*) FROM metrics WHERE {recent}", "metrics_observed_at_idx"),
    ):
        assert monitor.indexes(query) == {index}, query
    plan = monitor.run(f"EXPLAIN {series} AND {recent}")
    assert [line for (line,) in plan if "metrics_20" in line and "metrics_2041_01_03" not in line] == []
