-- A small market for development: two artists, a producer, three fans, a master that is sold and one that is on offer,
-- an artist coin, an open vote. Identifiers come from names, so they are the same everywhere; running it again adds
-- what is missing and changes nothing. What must be running now, an IPO or a session, counts from the day the data
-- went in.

CREATE FUNCTION pg_temp.id(name TEXT) RETURNS UUID LANGUAGE sql IMMUTABLE
RETURN md5('audifi test data: ' || name)::uuid;
CREATE FUNCTION pg_temp.address(name TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE
RETURN '0x' || md5('audifi test data: ' || name) || left(md5(name), 8);
CREATE FUNCTION pg_temp.tx(number INTEGER) RETURNS TEXT LANGUAGE sql IMMUTABLE
RETURN '0x' || lpad(to_hex(number), 64, '0');

CREATE TEMPORARY TABLE people (handle TEXT, name TEXT, role TEXT) ON COMMIT DROP;
INSERT INTO people VALUES
  ('ada', 'Ada Quill', 'artist'),
  ('bo', 'Bo Marsh', 'artist'),
  ('cleo', 'Cleo Reed', 'producer'),
  ('dev', 'Dev Singer', 'fan'),
  ('eli', 'Eli Sand', 'fan'),
  ('fay', 'Fay Moon', 'fan'),
  ('gus', 'Gus Admin', 'admin');

INSERT INTO users (id, email, display_name) SELECT pg_temp.id(handle), handle || '@audifi.example', name FROM people
ON CONFLICT DO NOTHING;
INSERT INTO accounts (id, user_id, provider, subject)
SELECT pg_temp.id('account ' || handle), pg_temp.id(handle), 'development', handle FROM people
ON CONFLICT DO NOTHING;
INSERT INTO user_wallets (address, user_id, is_primary, verified_at)
SELECT pg_temp.address(handle), pg_temp.id(handle), true, '2024-01-01' FROM people
ON CONFLICT DO NOTHING;
INSERT INTO user_roles (user_id, role) SELECT pg_temp.id(handle), role FROM people
ON CONFLICT DO NOTHING;
INSERT INTO artists (id, user_id, slug, stage_name, verified_at)
SELECT pg_temp.id('artist ' || handle), pg_temp.id(handle), replace(lower(name), ' ', '-'), name, '2024-01-01'
FROM people WHERE role = 'artist'
ON CONFLICT DO NOTHING;
INSERT INTO producers (id, user_id, slug, name)
SELECT pg_temp.id('producer ' || handle), pg_temp.id(handle), replace(lower(name), ' ', '-'), name
FROM people WHERE role = 'producer'
ON CONFLICT DO NOTHING;

INSERT INTO contracts (id, chain_id, address, kind)
SELECT pg_temp.id('contract ' || kind), 84532, pg_temp.address(kind), kind
FROM unnest(ARRAY['master_nft', 'ipo', 'dividend', 'artist_coin', 'liquidity_pool']) kind
ON CONFLICT DO NOTHING;
INSERT INTO masters (id, artist_id, title, isrc, genre, status, released_on) VALUES
  (pg_temp.id('Low Tide'), pg_temp.id('artist ada'), 'Low Tide', 'QZAAA2400001', 'folk', 'published', '2024-02-01'),
  (pg_temp.id('Paper Sun'), pg_temp.id('artist ada'), 'Paper Sun', 'QZAAA2400002', 'folk', 'published', '2024-03-01'),
  (pg_temp.id('Night Bus'), pg_temp.id('artist bo'), 'Night Bus', NULL, 'electronic', 'draft', NULL)
ON CONFLICT DO NOTHING;
INSERT INTO master_producers (master_id, producer_id, share)
VALUES (pg_temp.id('Low Tide'), pg_temp.id('producer cleo'), 500)
ON CONFLICT DO NOTHING;
INSERT INTO master_ipos (
  id, master_id, contract_id, status, units_offered, unit_price, payment_token, revenue_share, opens_at, closes_at
) VALUES
  (pg_temp.id('ipo Low Tide'), pg_temp.id('Low Tide'), pg_temp.id('contract ipo'), 'closed', 2, 5000000,
    pg_temp.address('USDC'), 2000, '2024-02-01', '2024-02-15'),
  (pg_temp.id('ipo Paper Sun'), pg_temp.id('Paper Sun'), pg_temp.id('contract ipo'), 'open', 100, 2500000,
    pg_temp.address('USDC'), 1500, current_date - 1, current_date + 30)
ON CONFLICT DO NOTHING;
INSERT INTO ipo_purchases (id, ipo_id, buyer, units, paid, chain_id, tx_hash, log_index, purchased_at) VALUES
  (pg_temp.id('purchase 1'), pg_temp.id('ipo Low Tide'), pg_temp.address('dev'), 1, 5000000, 84532, pg_temp.tx(1), 0,
    '2024-02-02'),
  (pg_temp.id('purchase 2'), pg_temp.id('ipo Low Tide'), pg_temp.address('eli'), 1, 5000000, 84532, pg_temp.tx(2), 0,
    '2024-02-03')
ON CONFLICT DO NOTHING;
INSERT INTO master_nfts (id, master_id, contract_id, token_id)
SELECT pg_temp.id('nft ' || number), pg_temp.id('Low Tide'), pg_temp.id('contract master_nft'), number
FROM generate_series(1, 2) number
ON CONFLICT DO NOTHING;

-- The chain's events come in the way an indexer hands them in; fixed times, because an event never changes.
SELECT ingest_chain_events('chain_nft_events', jsonb_agg(jsonb_build_object(
  'chain_id', 84532, 'block_number', number, 'block_time', block_time, 'tx_hash', pg_temp.tx(number), 'log_index', 1,
  'contract', pg_temp.address('master_nft'), 'event', event, 'token_id', token, 'from_address', source,
  'to_address', pg_temp.address(target))))
FROM (VALUES
  (1, '2024-02-02T00:00:00Z', 'mint', '1', '0x' || repeat('0', 40), 'dev'),
  (2, '2024-02-03T00:00:00Z', 'mint', '2', '0x' || repeat('0', 40), 'eli'),
  (3, '2024-03-10T00:00:00Z', 'transfer', '2', pg_temp.address('eli'), 'fay')
) happened (number, block_time, event, token, source, target);
SELECT ingest_chain_events('chain_revenue_events', jsonb_build_array(jsonb_build_object(
  'chain_id', 84532, 'block_number', 4, 'block_time', '2024-04-01T00:00:00Z', 'tx_hash', pg_temp.tx(4), 'log_index', 0,
  'contract', pg_temp.address('dividend'), 'event', 'deposit', 'token', pg_temp.address('USDC'),
  'account', pg_temp.address('ada'), 'amount', '12000000')));

INSERT INTO revenue_events (id, master_id, source, reference, token, amount, earned_from, earned_until) VALUES
  (pg_temp.id('revenue'), pg_temp.id('Low Tide'), 'streaming', '2024-03', pg_temp.address('USDC'), 12000000,
    '2024-03-01', '2024-03-31')
ON CONFLICT DO NOTHING;
INSERT INTO dividends (id, ipo_id, token, amount, amount_per_unit, status, record_date) VALUES
  (pg_temp.id('dividend'), pg_temp.id('ipo Low Tide'), pg_temp.address('USDC'), 2400000, 1200000, 'paying',
    '2024-04-01')
ON CONFLICT DO NOTHING;
INSERT INTO dividend_payouts (dividend_id, holder, units, amount, tx_hash, paid_at) VALUES
  (pg_temp.id('dividend'), pg_temp.address('dev'), 1, 1200000, pg_temp.tx(5), '2024-04-02'),
  (pg_temp.id('dividend'), pg_temp.address('fay'), 1, 1200000, NULL, NULL)
ON CONFLICT DO NOTHING;

INSERT INTO artist_coins (id, artist_id, contract_id, symbol, name, supply) VALUES
  (pg_temp.id('coin'), pg_temp.id('artist ada'), pg_temp.id('contract artist_coin'), 'ADA2', 'Ada Coin', 1e24)
ON CONFLICT DO NOTHING;
INSERT INTO liquidity_pools (id, coin_id, contract_id, paired_token, fee) VALUES
  (pg_temp.id('pool'), pg_temp.id('coin'), pg_temp.id('contract liquidity_pool'), pg_temp.address('USDC'), 30)
ON CONFLICT DO NOTHING;
INSERT INTO liquidity_snapshots (pool_id, taken_at, coin_reserve, paired_reserve)
VALUES (pg_temp.id('pool'), '2024-04-01', 5e22, 2500000000)
ON CONFLICT DO NOTHING;

INSERT INTO vstudio_sessions (id, artist_id, master_id, title, status, starts_at) VALUES
  (pg_temp.id('session'), pg_temp.id('artist bo'), pg_temp.id('Night Bus'), 'Which chorus?', 'live', current_date)
ON CONFLICT DO NOTHING;
INSERT INTO vstudio_decisions (id, session_id, question, options, opens_at, closes_at) VALUES
  (pg_temp.id('decision'), pg_temp.id('session'), 'Which chorus stays?', ARRAY['The slow one', 'The loud one'],
    current_date, current_date + 30)
ON CONFLICT DO NOTHING;
SELECT cast_vote(pg_temp.id('vote ' || handle), pg_temp.id('decision'), pg_temp.id(handle), choice)
FROM (VALUES ('dev', 1), ('eli', 2), ('fay', 2)) votes (handle, choice);

INSERT INTO subscription_plans (code, name, price, currency) VALUES ('supporter', 'Supporter', 900, 'USD')
ON CONFLICT DO NOTHING;
INSERT INTO subscriptions (id, user_id, plan, provider, provider_reference, period_start, period_end) VALUES
  (pg_temp.id('subscription'), pg_temp.id('dev'), 'supporter', 'development', 's-1', current_date, current_date + 30)
ON CONFLICT DO NOTHING;
INSERT INTO payments (id, subscription_id, amount, currency, status, provider, provider_reference) VALUES
  (pg_temp.id('payment'), pg_temp.id('subscription'), 900, 'USD', 'succeeded', 'development', 'p-1')
ON CONFLICT DO NOTHING;

CALL make_partitions_ahead();
REFRESH MATERIALIZED VIEW artist_performance;
REFRESH MATERIALIZED VIEW ipo_statistics;
REFRESH MATERIALIZED VIEW vstudio_engagement;

DROP FUNCTION pg_temp.id, pg_temp.address, pg_temp.tx;
