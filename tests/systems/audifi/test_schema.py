"""What the migrations make, and that they make it once."""

from pathlib import Path

import pytest

from tests.systems.audifi.product import FOLDER, AudiFi
from tests.told import told
from trellis import settings
from trellis.migrator import discover

ROOT = Path(__file__).parents[3]

DOMAINS = {
    "identity": {"users", "accounts", "user_wallets", "roles", "user_roles"},
    "artists": {"artists", "producers"},
    "masters": {"contracts", "masters", "master_producers", "master_ipos", "ipo_purchases"},
    "nfts": {"chain_nft_events", "master_nfts", "nft_ownership"},
    "revenue": {"chain_revenue_events", "revenue_events", "dividends", "dividend_payouts"},
    "artist coin": {"chain_coin_events", "artist_coins", "liquidity_pools", "liquidity_snapshots"},
    "v studio": {
        *("vstudio_sessions", "vstudio_decisions", "vstudio_votes"),
        *("vstudio_vote_keys", "vstudio_vote_events"),
    },
    "subscriptions": {"subscription_plans", "subscriptions", "payments"},
    "observability": {"audit_logs", "security_events", "row_changes"},
    "operation": {"event_tables", "partition_changes", "chain_event_keys", "dashboard_refreshes"},
}


def test_every_domain_has_its_tables(migrated: AudiFi) -> None:
    tables = migrated.admin(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND relname <> 'flyway_schema_history'"
    )
    assert {name for (name,) in tables} == set().union(*DOMAINS.values())


def test_everything_says_what_it_is(migrated: AudiFi) -> None:
    silent = migrated.admin(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')"
        " AND relname <> 'flyway_schema_history' AND obj_description(oid, 'pg_class') IS NULL"
        " UNION ALL SELECT proname FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL"
    )
    assert silent == []


def test_every_foreign_key_has_an_index(migrated: AudiFi) -> None:
    bare = migrated.admin(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint k WHERE contype = 'f' AND NOT EXISTS ("
        " SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indkey[0] = k.conkey[1])"
        # Lists of a few rows that nothing is deleted from.
        " AND confrelid <> ALL ('{contracts,roles}'::regclass[]) ORDER BY 1"
    )
    assert bare == []


def test_every_token_amount_is_of_the_domain(migrated: AudiFi) -> None:
    numerics = migrated.admin(
        "SELECT DISTINCT coalesce(domain_name, udt_name), numeric_precision, numeric_scale"
        " FROM information_schema.columns c JOIN pg_class t ON t.relname = c.table_name AND t.relkind IN ('r', 'p')"
        " WHERE table_schema = 'public' AND udt_name = 'numeric' ORDER BY 1"
    )
    assert numerics == [("token_amount", 78, 0), ("token_id", 78, 0)]


def test_a_second_run_changes_nothing(migrated: AudiFi) -> None:
    before = migrated.database.snapshot()
    assert migrated.migrate().applied == ()
    assert migrated.database.snapshot() == before


def test_every_repeatable_file_can_be_repeated(copied: AudiFi) -> None:
    repeatable = [file.script for file in discover(FOLDER) if file.script.startswith("R__")]
    before = copied.database.snapshot()
    copied.admin("UPDATE flyway_schema_history SET checksum = 0 WHERE version IS NULL")
    assert [done.script for done in copied.migrate().applied] == repeatable
    after = copied.database.snapshot()
    changed = {kind for kind in before if kind not in ("history", "rows") and before[kind] != after[kind]}
    assert changed == set()


@pytest.mark.parametrize(
    ("phase", "plan", "replicas", "left"),
    [("launch", "db-s-1vcpu-1gb", 0, 3), ("growth", "db-s-1vcpu-2gb", 0, 28), ("scale", "db-s-2vcpu-4gb", 1, 78)],
)
def test_every_phase_is_affordable(phase: str, plan: str, replicas: int, left: int) -> None:
    config = {
        "trellis:system": "audifi",
        "trellis:phase": phase,
        **told("audifi"),
    }
    chosen = settings.load(config, ROOT, stack="audifi")
    cluster = chosen.clusters[0]
    assert (cluster.plan.slug, cluster.replicas, cluster.version) == (plan, replicas, "17")
    assert dict(cluster.budget.pools) == {"audifi-pool": 10, "audifi-indexer-pool": 4}
    assert cluster.budget.unassigned == left
    environment = chosen.apps[0].app.environment
    assert environment["AUDIFI_DB_POOL_MAX"] == str(cluster.budget.pools["audifi-pool"])
    assert environment["AUDIFI_DB_POOL_MIN"] == "2"
    assert environment["AUDIFI_DATABASE_URL"] == "${pool.url}"
