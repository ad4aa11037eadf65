-- Who may do what. Roles own nothing and create nothing; a later table or routine is nobody's until it is named here.

REVOKE TEMPORARY ON DATABASE "${flyway:database}" FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- From nothing on each run, so that a line taken out below is a right taken away.
DO $$
DECLARE
  role TEXT;
BEGIN
  FOREACH role IN ARRAY ARRAY['${app_role}', '${analytics_role}', '${indexer_role}'] LOOP
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public, partitions, archive FROM %I', role);
    EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM %I', role);
    EXECUTE format('REVOKE ALL ON ALL ROUTINES IN SCHEMA public FROM %I', role);
    EXECUTE format('REVOKE ALL ON SCHEMA public, partitions, archive FROM %I', role);
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', '${flyway:database}', role);
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
  END LOOP;
END
$$;

-- The application: rows of operational tables.
GRANT SELECT, INSERT, UPDATE, DELETE ON
  users, accounts, user_wallets, user_roles, artists, producers,
  contracts, masters, master_producers, master_ipos, ipo_purchases, master_nfts,
  revenue_events, dividends, dividend_payouts, artist_coins, liquidity_pools, liquidity_snapshots,
  vstudio_sessions, vstudio_decisions, subscription_plans, subscriptions, payments
TO "${app_role}";
-- What only functions write, and what it shows.
GRANT SELECT ON
  roles, nft_ownership, nft_transfers, vstudio_votes,
  artist_performance, ipo_statistics, vstudio_engagement, chain_activity, subscription_revenue
TO "${app_role}";
GRANT EXECUTE ON FUNCTION cast_vote TO "${app_role}";
-- Its own deeds: it writes them down and cannot read or change them.
GRANT INSERT ON audit_logs, security_events TO "${app_role}";
-- The dashboards, on demand or on its schedule.
GRANT EXECUTE ON PROCEDURE refresh_dashboards TO "${app_role}";
GRANT MAINTAIN ON artist_performance, ipo_statistics, vstudio_engagement TO "${app_role}";
GRANT SELECT, INSERT ON dashboard_refreshes TO "${app_role}";

-- Analytics: dashboards, and tables that tell of no person.
GRANT SELECT ON
  artist_performance, ipo_statistics, vstudio_engagement, chain_activity, subscription_revenue, dashboard_refreshes,
  contracts, masters, master_ipos, master_nfts, revenue_events, dividends,
  artist_coins, liquidity_pools, liquidity_snapshots, vstudio_sessions, vstudio_decisions, subscription_plans
TO "${analytics_role}";

-- The indexer: it hands events in, asks where to go on, and makes room for what it hands in.
GRANT EXECUTE ON FUNCTION ingest_chain_events, last_indexed_block, rows_without_partition TO "${indexer_role}";
GRANT EXECUTE ON PROCEDURE make_partitions_ahead TO "${indexer_role}";
