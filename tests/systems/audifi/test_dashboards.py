"""Materialized views: what they say, and that refreshing them disturbs nobody and hides no error."""

import psycopg
import pytest

from tests.systems.audifi.market import ADA, BEA, OPEN, open_market, vote
from tests.systems.audifi.product import ADMIN, ANALYTICS, APP, TOKEN, AudiFi

VIEWS = ["artist_performance", "ipo_statistics", "vstudio_engagement"]
LOG = "SELECT view_name, rows, error_code FROM dashboard_refreshes ORDER BY id"


def test_what_the_dashboards_say(audifi: AudiFi) -> None:
    open_market(audifi)
    vote(audifi, 1, OPEN, ADA, 1)
    vote(audifi, 2, OPEN, BEA, 1)
    vote(audifi, 3, OPEN, BEA, 2)
    audifi.run(APP, "CALL refresh_dashboards()")
    assert audifi.run(
        ANALYTICS, "SELECT slug, masters_published, ipos, nfts, holders, revenue FROM artist_performance ORDER BY slug"
    ) == [("ada", 1, 1, 1, 1, {TOKEN: "1" + "0" * 78}), ("bea", 0, 0, 0, 0, {})]
    assert audifi.run(
        ANALYTICS, "SELECT units_sold, raised, purchases, buyers, percent_sold::text FROM ipo_statistics"
    ) == [(2, 10, 2, 2, "66.67")]
    assert audifi.run(ANALYTICS, "SELECT decisions, voters, votes, votes_changed FROM vstudio_engagement") == [
        (2, 2, 2, 1)
    ]
    assert audifi.run(ANALYTICS, "SELECT domain, event, day::text, events FROM chain_activity") == [
        ("nft", "mint", "2024-01-01", 1)
    ]
    assert audifi.admin(LOG) == [("artist_performance", 2, None), ("ipo_statistics", 1, None), (VIEWS[2], 1, None)]
    assert audifi.admin("SELECT bool_and(duration >= '0' AND started_at <= now()) FROM dashboard_refreshes") == [(True,)]


@pytest.mark.parametrize("view", VIEWS)
def test_every_dashboard_has_a_unique_index_for_all_its_rows(migrated: AudiFi, view: str) -> None:
    assert migrated.admin(
        "SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass AND indisunique AND indpred IS NULL"
        " AND indexprs IS NULL",
        view,
    ) == [(1,)]


def test_all_materialized_views_are_dashboards(migrated: AudiFi) -> None:
    assert migrated.admin("SELECT matviewname FROM pg_matviews ORDER BY 1") == [(view,) for view in VIEWS]


def test_dashboards_are_refreshed_while_they_are_read(audifi: AudiFi) -> None:
    open_market(audifi)
    with audifi.session(ANALYTICS) as reader, reader.transaction():
        # This lock would make a refresh that is not concurrent wait until the reader ends.
        for view in VIEWS:
            assert reader.execute(f"SELECT count(*) FROM {view}".encode()).fetchall() == [(0,)]
        audifi.run(APP, "CALL refresh_dashboards()")
        assert reader.execute("SELECT count(*) FROM artist_performance").fetchall() == [(2,)]
    assert {code for _, _, code in audifi.admin(LOG)} == {None}


def test_one_failure_stops_no_other_and_is_logged(audifi: AudiFi) -> None:
    open_market(audifi)
    with audifi.session(ADMIN) as admin:
        admin.execute("CREATE TABLE divisors AS SELECT 1 AS value")
        # First in the alphabet, so that the others come after its failure.
        admin.execute("CREATE MATERIALIZED VIEW a_quotient AS SELECT 1 / value AS value FROM divisors")
        admin.execute("CREATE UNIQUE INDEX ON a_quotient (value)")
        admin.execute("UPDATE divisors SET value = 0")
        admin.execute("CALL refresh_dashboards()")
    assert audifi.admin(LOG) == [
        ("a_quotient", None, "22012"),
        ("artist_performance", 2, None),
        ("ipo_statistics", 1, None),
        ("vstudio_engagement", 1, None),
    ]
    assert audifi.admin("SELECT error FROM dashboard_refreshes WHERE error_code = '22012'") == [("division by zero",)]
    assert audifi.admin("SELECT value FROM a_quotient") == [(1,)]


def test_the_log_stays_when_the_caller_is_cut_off(audifi: AudiFi) -> None:
    with audifi.session(ADMIN) as admin:
        # Last in the alphabet, and slow, so that the statement's time is over in the middle of it.
        admin.execute("CREATE MATERIALIZED VIEW z_slow AS SELECT 1 AS value, pg_sleep(60)::text AS slept WITH NO DATA")
        admin.execute("SET statement_timeout = '2s'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            admin.execute("CALL refresh_dashboards()")
    assert [name for name, _, _ in audifi.admin(LOG)] == VIEWS


def test_a_view_without_contents_is_filled(audifi: AudiFi) -> None:
    audifi.admin("REFRESH MATERIALIZED VIEW ipo_statistics WITH NO DATA")
    audifi.run(APP, "CALL refresh_dashboards()")
    assert audifi.run(ANALYTICS, "SELECT count(*) FROM ipo_statistics") == [(0,)]


def test_the_procedure_says_when_it_is_called_inside_a_transaction(migrated: AudiFi) -> None:
    with (
        migrated.session(APP) as app,
        pytest.raises(psycopg.errors.InvalidTransactionTermination),
        app.transaction(),
    ):
        app.execute("CALL refresh_dashboards()")
