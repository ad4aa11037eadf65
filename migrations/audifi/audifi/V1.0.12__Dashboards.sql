-- Tokens differ in worth and decimals, so amounts are added up a token at a time and never across tokens. They stand
-- in JSON as text, because a JSON number loses digits in most clients. Each view has a unique index, which
-- REFRESH … CONCURRENTLY needs.

CREATE MATERIALIZED VIEW artist_performance AS
  WITH earned AS (
    SELECT artist_id, jsonb_object_agg(token, amount::text) AS revenue
    FROM (
      SELECT m.artist_id, r.token, sum(r.amount) AS amount
      FROM revenue_events r JOIN masters m ON m.id = r.master_id GROUP BY m.artist_id, r.token
    ) per_token
    GROUP BY artist_id
  ), owned AS (
    SELECT m.artist_id, count(*) AS nfts, count(DISTINCT o.owner) AS holders
    FROM master_nfts n
    JOIN masters m ON m.id = n.master_id
    JOIN contracts c ON c.id = n.contract_id
    JOIN nft_ownership o ON o.chain_id = c.chain_id AND o.contract = c.address AND o.token_id = n.token_id
    WHERE o.owner IS NOT NULL
    GROUP BY m.artist_id
  )
  SELECT a.id AS artist_id, a.slug, a.stage_name,
    (SELECT count(*) FROM masters m WHERE m.artist_id = a.id AND m.status = 'published') AS masters_published,
    (SELECT count(*) FROM master_ipos i JOIN masters m ON m.id = i.master_id WHERE m.artist_id = a.id) AS ipos,
    (SELECT count(*) FROM vstudio_sessions s WHERE s.artist_id = a.id AND s.status = 'ended') AS sessions_held,
    coalesce(owned.nfts, 0) AS nfts, coalesce(owned.holders, 0) AS holders,
    coalesce(earned.revenue, '{}') AS revenue
  FROM artists a
  LEFT JOIN earned ON earned.artist_id = a.id
  LEFT JOIN owned ON owned.artist_id = a.id;
COMMENT ON MATERIALIZED VIEW artist_performance IS 'One row per artist.';
COMMENT ON COLUMN artist_performance.revenue IS 'Address of a token -> what was earned in its smallest unit.';
CREATE UNIQUE INDEX artist_performance_key ON artist_performance (artist_id);

CREATE MATERIALIZED VIEW ipo_statistics AS
  SELECT i.id AS ipo_id, i.master_id, m.artist_id, m.title, i.status, i.opens_at, i.closes_at, i.payment_token,
    i.units_offered, coalesce(sold.units, 0) AS units_sold, coalesce(sold.paid, 0) AS raised,
    coalesce(sold.purchases, 0) AS purchases, coalesce(sold.buyers, 0) AS buyers,
    round(coalesce(sold.units, 0) * 100 / i.units_offered, 2) AS percent_sold
  FROM master_ipos i
  JOIN masters m ON m.id = i.master_id
  LEFT JOIN (
    SELECT ipo_id, sum(units) AS units, sum(paid) AS paid, count(*) AS purchases, count(DISTINCT buyer) AS buyers
    FROM ipo_purchases GROUP BY ipo_id
  ) sold ON sold.ipo_id = i.id;
COMMENT ON MATERIALIZED VIEW ipo_statistics IS 'One row per IPO. Amounts are in the smallest unit of the payment token.';
CREATE UNIQUE INDEX ipo_statistics_key ON ipo_statistics (ipo_id);
CREATE INDEX ipo_statistics_artist_idx ON ipo_statistics (artist_id);
CREATE INDEX ipo_statistics_status_idx ON ipo_statistics (status, closes_at);

CREATE MATERIALIZED VIEW vstudio_engagement AS
  SELECT s.id AS session_id, s.artist_id, s.title, s.status, s.starts_at, s.ended_at,
    count(DISTINCT d.id) AS decisions, count(DISTINCT v.user_id) AS voters, count(v.user_id) AS votes,
    coalesce(sum(v.changes), 0) AS votes_changed
  FROM vstudio_sessions s
  LEFT JOIN vstudio_decisions d ON d.session_id = s.id
  LEFT JOIN vstudio_votes v ON v.decision_id = d.id
  GROUP BY s.id;
COMMENT ON MATERIALIZED VIEW vstudio_engagement IS 'One row per V Studio session.';
CREATE UNIQUE INDEX vstudio_engagement_key ON vstudio_engagement (session_id);
CREATE INDEX vstudio_engagement_artist_idx ON vstudio_engagement (artist_id, starts_at);

CREATE TABLE dashboard_refreshes (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  view_name NAME NOT NULL,
  started_at TIMESTAMPTZ NOT NULL,
  duration INTERVAL NOT NULL,
  rows BIGINT,
  error_code TEXT,
  error TEXT,
  CHECK ((rows IS NULL) = (error IS NOT NULL))
);
COMMENT ON TABLE dashboard_refreshes IS 'Log of refresh_dashboards(): one row for each view and run, with its rows or its error.';
COMMENT ON COLUMN dashboard_refreshes.error_code IS 'SQLSTATE.';
CREATE INDEX dashboard_refreshes_view_idx ON dashboard_refreshes (view_name, started_at DESC);

CREATE VIEW chain_activity AS
  SELECT 'nft' AS domain, chain_id, contract, event, (block_time AT TIME ZONE 'UTC')::date AS day,
    count(*) AS events, NULL::numeric AS amount
  FROM chain_nft_events GROUP BY 2, 3, 4, 5
  UNION ALL
  SELECT 'revenue', chain_id, contract, event, (block_time AT TIME ZONE 'UTC')::date, count(*), sum(amount)
  FROM chain_revenue_events GROUP BY 2, 3, 4, 5
  UNION ALL
  SELECT 'coin', chain_id, contract, event, (block_time AT TIME ZONE 'UTC')::date, count(*), sum(amount)
  FROM chain_coin_events GROUP BY 2, 3, 4, 5;
COMMENT ON VIEW chain_activity IS 'Chain events a day, without the addresses of people.';

CREATE VIEW subscription_revenue AS
  SELECT s.plan, p.currency, date_trunc('month', p.created_at, 'UTC') AS month, p.status,
    count(*) AS payments, sum(p.amount) AS amount
  FROM payments p JOIN subscriptions s ON s.id = p.subscription_id
  GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW subscription_revenue IS 'Payments a month by plan, currency and status, without the people who paid.';
