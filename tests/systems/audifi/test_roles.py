"""Each role, by trying what it may and what it may not. What succeeds is rolled back."""

import psycopg
import pytest

from tests.systems.audifi.product import ANALYTICS, APP, INDEXER, AudiFi

PERSONAL = (
    *("users", "accounts", "user_wallets", "user_roles", "artists", "producers", "ipo_purchases", "nft_ownership"),
    *("dividend_payouts", "vstudio_votes", "subscriptions", "payments", "nft_transfers"),
)
OPERATIONAL = (
    *("users", "accounts", "user_wallets", "user_roles", "artists", "producers", "contracts", "masters"),
    *("master_producers", "master_ipos", "ipo_purchases", "master_nfts", "revenue_events", "dividends"),
    *("dividend_payouts", "artist_coins", "liquidity_pools", "liquidity_snapshots", "vstudio_sessions"),
    *("vstudio_decisions", "subscription_plans", "subscriptions", "payments"),
)
EVENTS = (
    *("chain_nft_events", "chain_revenue_events", "chain_coin_events", "chain_event_keys"),
    *("vstudio_vote_events", "vstudio_vote_keys", "audit_logs", "security_events", "row_changes"),
)
DASHBOARDS = ("artist_performance", "ipo_statistics", "vstudio_engagement", "chain_activity", "subscription_revenue")
BOOKKEEPING = ("event_tables", "partition_changes", "flyway_schema_history")
OPEN_TO_ANALYTICS = (
    *DASHBOARDS,
    *("dashboard_refreshes", "contracts", "masters", "master_ipos", "master_nfts", "revenue_events", "dividends"),
    *("artist_coins", "liquidity_pools", "liquidity_snapshots", "vstudio_sessions", "vstudio_decisions"),
    "subscription_plans",
)

NOBODY_MAY = (
    "CREATE TABLE mine (a int)",
    "CREATE TEMPORARY TABLE mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "DROP TABLE masters",
    "ALTER TABLE masters ADD COLUMN a int",
    "ALTER TABLE chain_nft_events DISABLE TRIGGER ALL",
    "TRUNCATE masters",
    "SET session_replication_role = replica",
    "SELECT * FROM partitions.audit_logs_default",
    "SELECT * FROM pg_authid",
    "CALL detach_old_partitions()",
    "CALL make_partition('audit_logs', 'created_at', '2030-01-01')",
    "CALL make_event_table('masters', 'created_at')",
    "CALL make_append_only('masters')",
)


def attempt(audifi: AudiFi, role: str, *statements: str) -> None:
    """Runs statements in one transaction and rolls it back."""
    with audifi.session(role) as connection, connection.transaction(force_rollback=True):
        for statement in statements:
            connection.execute(statement.encode())


def refused(audifi: AudiFi, role: str, *statements: str) -> None:
    """Each statement fails for want of a right, and for nothing else."""
    with audifi.session(role) as connection:
        for statement in statements:
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                continue
            pytest.fail(f"{role} was not refused: {statement}")


def changes(*tables: str) -> list[str]:
    """Statements that change rows of tables."""
    return [
        f"{verb} {table} {rest}"
        for table in tables
        for verb, rest in (("DELETE FROM", ""), ("TRUNCATE", ""), ("INSERT INTO", "DEFAULT VALUES"))
    ]


def reads(*tables: str) -> list[str]:
    """Statements that read tables."""
    return [f"SELECT * FROM {table}" for table in tables]


@pytest.mark.parametrize("role", [APP, ANALYTICS, INDEXER])
def test_nobody_owns_or_makes_anything(migrated: AudiFi, role: str) -> None:
    refused(migrated, role, *NOBODY_MAY, *reads(*BOOKKEEPING), *changes(*BOOKKEEPING))


def test_the_application_works_on_operational_rows(migrated: AudiFi) -> None:
    attempt(
        migrated,
        APP,
        *reads(*OPERATIONAL, "roles", "nft_ownership", "nft_transfers", "vstudio_votes", *DASHBOARDS),
        *(f"DELETE FROM {table}" for table in reversed(OPERATIONAL)),
        *(f"INSERT INTO {table} SELECT * FROM {table}" for table in OPERATIONAL),
        "INSERT INTO users (display_name) VALUES ('Ada')",
        "UPDATE users SET email = 'ada@example.org'",
        "INSERT INTO audit_logs (action) VALUES ('signed in')",
        "INSERT INTO security_events (kind, severity) VALUES ('sign-in refused', 'warning')",
    )


def test_the_application_reads_and_changes_no_event(migrated: AudiFi) -> None:
    logs = ("audit_logs", "security_events")
    refused(
        migrated,
        APP,
        *reads(*EVENTS),
        *changes(*(table for table in EVENTS if table not in logs)),
        *(f"{verb} {table}" for table in logs for verb in ("DELETE FROM", "TRUNCATE")),
        *changes("nft_ownership", "vstudio_votes", "roles"),
        "UPDATE audit_logs SET action = 'x'",
        "UPDATE vstudio_votes SET choice = 1",
        "DELETE FROM dashboard_refreshes",
        "SELECT ingest_chain_events('chain_nft_events', '[]')",
        "CALL make_partitions_ahead()",
    )


def test_analytics_reads_dashboards_and_tables_that_tell_of_nobody(migrated: AudiFi) -> None:
    attempt(migrated, ANALYTICS, *reads(*OPEN_TO_ANALYTICS))
    refused(
        migrated,
        ANALYTICS,
        *reads(*PERSONAL, *EVENTS),
        *changes(*OPEN_TO_ANALYTICS[5:], *OPERATIONAL, *EVENTS),
        "UPDATE masters SET title = 'x'",
        "REFRESH MATERIALIZED VIEW artist_performance",
        "CALL refresh_dashboards()",
        "CALL make_partitions_ahead()",
        "SELECT ingest_chain_events('chain_nft_events', '[]')",
        "SELECT cast_vote(gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1)",
    )


def test_every_table_that_names_a_person_or_address_is_closed_to_analytics(migrated: AudiFi) -> None:
    open_to_it = migrated.admin(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0"
        " AND a.attname IN ('user_id', 'email', 'ip_address', 'owner', 'buyer', 'holder', 'account',"
        " 'from_address', 'to_address', 'subject', 'display_name')"
        " AND has_table_privilege(%s, c.oid, 'SELECT')",
        ANALYTICS,
    )
    assert open_to_it == []


def test_the_indexer_hands_in_events_and_does_nothing_else(migrated: AudiFi) -> None:
    attempt(
        migrated,
        INDEXER,
        "SELECT * FROM ingest_chain_events('chain_nft_events', '[]')",
        "SELECT last_indexed_block(1)",
        "SELECT * FROM rows_without_partition()",
        "CALL make_partitions_ahead()",
    )
    tables = (*OPERATIONAL, *EVENTS, *PERSONAL, *DASHBOARDS, "dashboard_refreshes", "roles")
    refused(
        migrated,
        INDEXER,
        *reads(*tables),
        *changes(*OPERATIONAL, *EVENTS),
        "CALL refresh_dashboards()",
        "SELECT cast_vote(gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1)",
    )


def test_the_lists_here_name_every_table(migrated: AudiFi) -> None:
    found = migrated.admin(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')"
    )
    named = {*PERSONAL, *OPERATIONAL, *EVENTS, *DASHBOARDS, *BOOKKEEPING, *OPEN_TO_ANALYTICS, "roles"}
    assert {name for (name,) in found} == named


def test_a_later_table_and_routine_are_nobody_s(audifi: AudiFi) -> None:
    audifi.admin("CREATE TABLE later (a int)")
    audifi.admin("CREATE FUNCTION later() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    for role in (APP, ANALYTICS, INDEXER):
        refused(audifi, role, "SELECT * FROM later", "SELECT later()")
