"""Materialized views: what they say, and that refreshing them disturbs nobody and hides no error."""

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.systems.audifi.market import ADA, BEA, OPEN, open_market, vote
from tests.systems.audifi.product import ADMIN, ANALYTICS, APP, TOKEN, AudiFi

VIEWS = ["artist_performance", "ipo_statistics", "vstudio_engagement"]
LOG = "SELECT view_name, rows, error_code FROM dashboard_refreshes ORDER BY id"


def test_what_the_dashboards_say(copied: AudiFi) -> None:
    open_market(copied)
    vote(copied, 1, OPEN, ADA, 1)
    vote(copied, 2, OPEN, BEA, 1)
    vote(copied, 3, OPEN, BEA, 2)
    copied.run(APP, "CALL refresh_dashboards()")
    assert copied.run(
        ANALYTICS, "SELECT slug, masters_published, ipos, nfts, holders, revenue FROM artist_performance ORDER BY slug"
    ) == [("ada", 1, 1, 1, 1, {TOKEN: "1" + "0" * 78}), ("bea", 0, 0, 0, 0, {})]
    assert copied.run(
        ANALYTICS, "SELECT units_sold, raised, purchases, buyers, percent_sold::text FROM ipo_statistics"
    ) == [(2, 10, 2, 2, "66.67")]
    assert copied.run(ANALYTICS, "SELECT decisions, voters, votes, votes_changed FROM vstudio_engagement") == [
        (2, 2, 2, 1)
    ]
    assert copied.run(ANALYTICS, "SELECT domain, event, day::text, events FROM chain_activity") == [
        ("nft", "mint", "2024-01-01", 1)
    ]
    assert copied.admin(LOG) == [("artist_performance", 2, None), ("ipo_statistics", 1, None), (VIEWS[2], 1, None)]
    assert copied.admin("SELECT bool_and(duration >= '0' AND started_at <= now()) FROM dashboard_refreshes") == [
        (True,)
    ]


@pytest.mark.parametrize("view", VIEWS)
def test_every_dashboard_has_a_unique_index_for_all_its_rows(migrated: AudiFi, view: str) -> None:
    assert migrated.admin(
        "SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass AND indisunique AND indpred IS NULL"
        " AND indexprs IS NULL",
        view,
    ) == [(1,)]


def test_all_materialized_views_are_dashboards(migrated: AudiFi) -> None:
    assert migrated.admin("SELECT matviewname FROM pg_matviews ORDER BY 1") == [(view,) for view in VIEWS]


def test_dashboards_are_refreshed_while_they_are_read(copied: AudiFi) -> None:
    open_market(copied)
    with copied.session(ANALYTICS) as reader, reader.transaction():
        # This lock would make a refresh that is not concurrent wait until the reader ends.
        for view in VIEWS:
            assert reader.execute(f"SELECT count(*) FROM {view}".encode()).fetchall() == [(0,)]
        copied.run(APP, "CALL refresh_dashboards()")
        assert reader.execute("SELECT count(*) FROM artist_performance").fetchall() == [(2,)]
    assert {code for _, _, code in copied.admin(LOG)} == {None}


def test_one_failure_stops_no_other_and_is_logged(copied: AudiFi) -> None:
    open_market(copied)
    with copied.session(ADMIN) as admin:
        admin.execute("CREATE TABLE divisors AS SELECT 1 AS value")
        # First in the alphabet, so that the others come after its failure.
        admin.execute("CREATE MATERIALIZED VIEW a_quotient AS SELECT 1 / value AS value FROM divisors")
        admin.execute("CREATE UNIQUE INDEX ON a_quotient (value)")
        admin.execute("UPDATE divisors SET value = 0")
        admin.execute("CALL refresh_dashboards()")
    assert copied.admin(LOG) == [
        ("a_quotient", None, "22012"),
        ("artist_performance", 2, None),
        ("ipo_statistics", 1, None),
        ("vstudio_engagement", 1, None),
    ]
    assert copied.admin("SELECT error FROM dashboard_refreshes WHERE error_code = '22012'") == [("division by zero",)]
    assert copied.admin("SELECT value FROM a_quotient") == [(1,)]


def test_the_log_stays_when_the_caller_is_cut_off(copied: AudiFi) -> None:
    # Last in the alphabet, and slow, so that the others are done when it is cancelled.
    copied.admin("CREATE MATERIALIZED VIEW z_slow AS SELECT 1 AS value, pg_sleep(600)::text AS slept WITH NO DATA")
    with copied.session(ADMIN) as admin, ThreadPoolExecutor(1) as pool:
        call = pool.submit(admin.execute, "CALL refresh_dashboards()")
        while len(copied.admin(LOG)) < len(VIEWS):
            assert not call.done(), "the slow view was not slow"
            time.sleep(0.02)
        admin.cancel_safe()
        with pytest.raises(psycopg.errors.QueryCanceled):
            call.result()
    assert [name for name, _, _ in copied.admin(LOG)] == VIEWS


def test_a_view_without_contents_is_filled(copied: AudiFi) -> None:
    copied.admin("REFRESH MATERIALIZED VIEW ipo_statistics WITH NO DATA")
    copied.run(APP, "CALL refresh_dashboards()")
    assert copied.run(ANALYTICS, "SELECT count(*) FROM ipo_statistics") == [(0,)]


def test_the_procedure_says_when_it_is_called_inside_a_transaction(migrated: AudiFi) -> None:
    with (
        migrated.session(APP) as app,
        pytest.raises(psycopg.errors.InvalidTransactionTermination),
        app.transaction(),
    ):
        app.execute("CALL refresh_dashboards()")
