"""Months of the event tables: made ahead, filled from the default partition, taken out."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.systems.audifi.product import ADMIN, APP, INDEXER, AudiFi, deposit

REVENUE = "chain_revenue_events"
TABLES = {
    *("chain_nft_events", "chain_revenue_events", "chain_coin_events"),
    *("vstudio_vote_events", "audit_logs", "security_events", "row_changes"),
}
MONTHS_OF = "SELECT right(relname, 7) FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = %s::regclass"


def months(audifi: AudiFi, table: str) -> list[str]:
    """The months of a table, without its default partition."""
    return sorted(name for (name,) in audifi.admin(MONTHS_OF, table) if name != "default")


def where(audifi: AudiFi, table: str = REVENUE) -> list[tuple[str, str]]:
    """Each row's transaction, by its last digit, and the partition it is in."""
    found = audifi.admin(f"SELECT right(tx_hash, 1), tableoid::regclass::text FROM {table} ORDER BY 1")
    return [(number, part.removeprefix(f"partitions.{table}_")) for number, part in found]


def test_the_migration_makes_this_month_and_three_more(migrated: AudiFi) -> None:
    expected = migrated.admin(
        "SELECT to_char(date_trunc('month', now(), 'UTC') + make_interval(months => n), 'YYYY_MM')"
        " FROM generate_series(0, 3) n"
    )
    for table in TABLES:
        assert months(migrated, table) == [month for (month,) in expected]
    assert migrated.admin("SELECT count(*) FROM event_tables") == [(len(TABLES),)]


def test_months_are_made_across_a_year_and_once(audifi: AudiFi) -> None:
    before = set(months(audifi, REVENUE))
    audifi.run(INDEXER, "CALL make_partitions_ahead('2030-11-30 23:30:00-02')")
    new = ["2030_12", "2031_01", "2031_02", "2031_03"]
    assert sorted(set(months(audifi, REVENUE)) - before) == new
    changes = "SELECT count(*) FROM partition_changes WHERE month >= '2030-01-01'"
    assert audifi.admin(changes) == [(4 * len(TABLES),)]
    audifi.run(INDEXER, "CALL make_partitions_ahead('2030-12-31')")
    assert audifi.admin(changes) == [(4 * len(TABLES),)]


def test_how_far_ahead_is_a_setting(audifi: AudiFi) -> None:
    audifi.admin("UPDATE event_tables SET months_ahead = 0 WHERE table_name = %s", REVENUE)
    audifi.run(INDEXER, "CALL make_partitions_ahead('2030-01-01')")
    assert [month for month in months(audifi, REVENUE) if month.startswith("2030")] == ["2030_01"]
    assert [month for month in months(audifi, "audit_logs") if month.startswith("2030")][-1] == "2030_04"


def test_many_calls_at_once_make_each_month_once(copied: AudiFi) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: copied.run(INDEXER, "CALL make_partitions_ahead('2030-01-01')"), range(4)))
    assert copied.admin("SELECT count(*) FROM partition_changes WHERE month >= '2030-01-01' AND change = 'made'") == [
        (4 * len(TABLES),)
    ]


def test_months_begin_at_midnight_utc_whatever_the_session_says(audifi: AudiFi) -> None:
    with audifi.session(INDEXER) as connection:
        connection.execute("SET timezone = 'America/New_York'")
        connection.execute("CALL make_partitions_ahead('2030-03-01 00:30:00+00')")
    audifi.ingest(REVENUE, deposit(1, "2030-03-31T23:59:59.999999Z"), deposit(2, "2030-04-01T00:00:00Z"))
    assert where(audifi) == [("1", "2030_03"), ("2", "2030_04")]


def test_rows_of_the_default_partition_move_when_their_month_is_made(audifi: AudiFi) -> None:
    audifi.ingest(
        REVENUE, deposit(1, "2030-01-31T23:59:59Z"), deposit(2, "2030-02-01T00:00:00Z"), deposit(3, "2041-01-01")
    )
    assert where(audifi) == [("1", "default"), ("2", "default"), ("3", "default")]
    before = audifi.admin(f"SELECT * FROM {REVENUE} ORDER BY tx_hash")
    waiting = "SELECT rows FROM rows_without_partition() WHERE table_name = %s"
    assert audifi.run(INDEXER, waiting, REVENUE) == [(3,)]

    audifi.run(INDEXER, "CALL make_partitions_ahead('2030-01-01')")
    assert where(audifi) == [("1", "2030_01"), ("2", "2030_02"), ("3", "default")]
    assert audifi.run(INDEXER, waiting, REVENUE) == [(1,)]
    assert audifi.admin(f"SELECT * FROM {REVENUE} ORDER BY tx_hash") == before
    moved = "SELECT month::text, rows_moved FROM partition_changes WHERE rows_moved > 0 ORDER BY 1"
    assert audifi.admin(moved) == [("2030-01-01", 1), ("2030-02-01", 1)]
    with pytest.raises(psycopg.errors.RestrictViolation):
        audifi.admin(f"DELETE FROM partitions.{REVENUE}_default")


def test_an_indexer_that_starts_in_the_past_gets_its_months(audifi: AudiFi) -> None:
    audifi.ingest(REVENUE, deposit(1, "2019-05-05"), deposit(2, "2020-07-07"), deposit(3, "2020-07-08"))
    audifi.run(INDEXER, "CALL make_partitions_ahead()")
    assert where(audifi) == [("1", "2019_05"), ("2", "2020_07"), ("3", "2020_07")]
    assert audifi.ingest(REVENUE, deposit(2, "2020-07-07")) == (0, 1)


def test_a_month_whose_lock_is_not_free_is_made_the_next_time(copied: AudiFi) -> None:
    with copied.session(ADMIN) as reader, reader.transaction():
        reader.execute(f"SELECT count(*) FROM partitions.{REVENUE}_default".encode())
        copied.admin("UPDATE event_tables SET months_ahead = 0 WHERE table_name = %s", REVENUE)
        copied.run(INDEXER, "CALL make_partitions_ahead('2030-01-01')")
        assert "2030_01" not in months(copied, REVENUE)
        assert "2030_01" in months(copied, "security_events")
    assert copied.admin("SELECT table_name, note FROM partition_changes WHERE change = 'postponed'") == [
        (REVENUE, "canceling statement due to lock timeout")
    ]
    copied.run(INDEXER, "CALL make_partitions_ahead('2030-01-01')")
    assert "2030_01" in months(copied, REVENUE)


def test_months_that_are_older_than_they_are_kept_go_to_the_archive(copied: AudiFi) -> None:
    copied.admin("UPDATE event_tables SET keep_months = 2 WHERE table_name = %s", REVENUE)
    copied.run(INDEXER, "CALL make_partitions_ahead('2024-01-01')")
    batch = [deposit(number, f"2024-{number:02}-10") for number in (1, 2, 3, 4)]
    copied.ingest(REVENUE, *batch)
    copied.admin("CALL detach_old_partitions('2024-04-30')")
    assert where(copied) == [("2", "2024_02"), ("3", "2024_03"), ("4", "2024_04")]
    assert copied.admin(f"SELECT right(tx_hash, 1) FROM archive.{REVENUE}_2024_01") == [("1",)]
    assert "2024_01" in months(copied, "chain_nft_events")
    detached = "SELECT table_name, month::text FROM partition_changes WHERE change = 'detached'"
    assert copied.admin(detached) == [(REVENUE, "2024-01-01")]

    copied.admin("CALL detach_old_partitions('2024-04-30')")
    assert copied.admin(detached) == [(REVENUE, "2024-01-01")]
    assert copied.ingest(REVENUE, *batch) == (0, 4), "an archived event counted again"
    for change in ("UPDATE", "DELETE FROM", "TRUNCATE"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            copied.admin(f"{change} archive.{REVENUE}_2024_01 {'SET amount = 0' if change == 'UPDATE' else ''}")


def test_an_event_that_comes_after_its_month_was_archived_is_kept(copied: AudiFi) -> None:
    copied.admin("UPDATE event_tables SET keep_months = 1 WHERE table_name = %s", REVENUE)
    copied.run(INDEXER, "CALL make_partitions_ahead('2024-01-01')")
    copied.ingest(REVENUE, deposit(1, "2024-01-10"))
    copied.admin("CALL detach_old_partitions('2024-04-01')")
    copied.ingest(REVENUE, deposit(2, "2024-01-11"))
    copied.run(INDEXER, "CALL make_partitions_ahead('2024-04-01')")
    assert where(copied) == [("2", "default")]
    # A month made by hand for it joins what is archived.
    copied.admin("CALL make_partition(%s, 'block_time', '2024-01-01 00:00:00+00')", REVENUE)
    copied.admin("CALL detach_old_partitions('2024-04-01')")
    assert copied.admin(f"SELECT count(*) FROM archive.{REVENUE}_2024_01") == [(2,)]
    assert where(copied) == []


def test_a_busy_month_is_left_for_the_next_run_and_others_go(copied: AudiFi) -> None:
    copied.admin("UPDATE event_tables SET keep_months = 1 WHERE table_name = ANY (ARRAY['audit_logs', %s])", REVENUE)
    copied.run(INDEXER, "CALL make_partitions_ahead('2024-01-01')")
    with copied.session(ADMIN) as reader, reader.transaction():
        reader.execute(f"SELECT count(*) FROM partitions.{REVENUE}_2024_01".encode())
        copied.admin("CALL detach_old_partitions('2024-03-01')")
    assert copied.admin("SELECT table_name, change FROM partition_changes WHERE change <> 'made' ORDER BY 1") == [
        ("audit_logs", "detached"),
        (REVENUE, "postponed"),
    ]
    copied.admin("CALL detach_old_partitions('2024-03-01')")
    assert "2024_01" not in months(copied, REVENUE)


def test_rows_of_logs_find_their_month(audifi: AudiFi) -> None:
    audifi.run(APP, "INSERT INTO audit_logs (action) VALUES ('signed in')")
    parts = audifi.admin(
        "SELECT tableoid::regclass::text, to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM') FROM audit_logs"
    )
    assert parts == [(f"partitions.audit_logs_{parts[0][1]}", parts[0][1])]
