"""The test data of development stacks: it goes in after the migrations, fills every domain, and goes in once."""

from pathlib import Path
from typing import Any

from tests.systems.audifi.product import ADMIN, ANALYTICS, APP, PASSWORD, PLACEHOLDERS, AudiFi
from tests.systems.audifi.test_roles import OPERATIONAL
from trellis.migrator import Options, Report, Target, migrate

SEEDS = Path(__file__).parents[3] / "migrations" / "audifi" / "audifi.seeds"


def sow(audifi: AudiFi) -> Report:
    """Puts the test data in, with a history of its own."""
    target = Target(audifi.database.parameters(ADMIN, PASSWORD), table="seed_history")
    return migrate(target, SEEDS, PLACEHOLDERS, Options(baseline_version="0"))


def contents(audifi: AudiFi) -> dict[str, list[Any]]:
    """Every row of the operational tables and of what chain events lead to."""
    tables = (*OPERATIONAL, "nft_ownership", "vstudio_votes", "chain_nft_events", "chain_revenue_events")
    return {table: audifi.admin(f"SELECT t::text FROM {table} t ORDER BY 1") for table in tables}


def test_every_domain_has_something_to_show(copied: AudiFi) -> None:
    assert [done.script for done in sow(copied).applied] == ["R__Market.sql"]
    assert [table for table, rows in contents(copied).items() if not rows] == []
    assert copied.run(ANALYTICS, "SELECT title, units_sold, percent_sold FROM ipo_statistics ORDER BY 1") == [
        ("Low Tide", 2, 100),
        ("Paper Sun", 0, 0),
    ]
    assert copied.run(ANALYTICS, "SELECT stage_name, nfts, holders FROM artist_performance ORDER BY 1") == [
        ("Ada Quill", 2, 2),
        ("Bo Marsh", 0, 0),
    ]
    assert copied.run(ANALYTICS, "SELECT voters, votes FROM vstudio_engagement") == [(3, 3)]
    assert copied.run(APP, "SELECT count(*) FROM nft_transfers") == [(3,)]
    assert copied.admin("SELECT sum(rows) FROM rows_without_partition()") == [(0,)]


def test_it_goes_in_once_and_again_changes_nothing(copied: AudiFi) -> None:
    sow(copied)
    before = contents(copied)
    assert sow(copied).applied == ()
    copied.admin("UPDATE seed_history SET checksum = 0 WHERE version IS NULL")
    assert len(sow(copied).applied) == 1
    assert contents(copied) == before


def test_the_migrations_know_nothing_of_it(copied: AudiFi) -> None:
    copied.migrate()  # what names its database is another file in a copy
    before = copied.database.history()
    sow(copied)
    assert copied.migrate().applied == ()
    assert copied.database.history() == before
