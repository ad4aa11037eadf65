CREATE TABLE chain_coin_events (
  chain_id BIGINT NOT NULL,
  block_number BIGINT NOT NULL CHECK (block_number >= 0),
  block_time TIMESTAMPTZ NOT NULL,
  tx_hash tx_hash NOT NULL,
  log_index INTEGER NOT NULL,
  contract evm_address NOT NULL,
  event TEXT NOT NULL
    CHECK (event IN ('mint', 'transfer', 'burn', 'liquidity_added', 'liquidity_removed', 'swap')),
  from_address evm_address NOT NULL,
  to_address evm_address NOT NULL,
  amount token_amount NOT NULL,
  log JSONB,
  PRIMARY KEY (chain_id, tx_hash, log_index, block_time)
) PARTITION BY RANGE (block_time);
COMMENT ON TABLE chain_coin_events IS 'Raw events of artist coins and their liquidity pools. Append-only; ingest_chain_events() writes it.';
COMMENT ON COLUMN chain_coin_events.log IS 'The log entry as the node gave it.';
CREATE INDEX chain_coin_events_contract_idx ON chain_coin_events (contract, block_time);
CREATE INDEX chain_coin_events_block_idx ON chain_coin_events (chain_id, block_number);
CALL make_event_table('chain_coin_events', 'block_time');

CREATE TABLE artist_coins (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  artist_id UUID NOT NULL REFERENCES artists,
  contract_id UUID UNIQUE REFERENCES contracts,
  symbol TEXT NOT NULL CHECK (symbol ~ '^[A-Z0-9]{2,11}$'),
  name TEXT NOT NULL,
  decimals SMALLINT NOT NULL DEFAULT 18 CHECK (decimals BETWEEN 0 AND 77),
  supply token_amount NOT NULL DEFAULT 0,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE artist_coins IS 'Tokens of artists.';
COMMENT ON COLUMN artist_coins.decimals IS 'A coin is 10 to this power of its smallest unit.';
CREATE INDEX artist_coins_artist_id_idx ON artist_coins (artist_id);
CREATE TRIGGER artist_coins_updated_at BEFORE UPDATE ON artist_coins FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE liquidity_pools (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  coin_id UUID NOT NULL REFERENCES artist_coins,
  contract_id UUID NOT NULL UNIQUE REFERENCES contracts,
  paired_token evm_address NOT NULL,
  fee basis_points NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE liquidity_pools IS 'Where an artist coin can be traded against another token.';
CREATE INDEX liquidity_pools_coin_id_idx ON liquidity_pools (coin_id);

CREATE TABLE liquidity_snapshots (
  pool_id UUID NOT NULL REFERENCES liquidity_pools,
  taken_at TIMESTAMPTZ NOT NULL,
  coin_reserve token_amount NOT NULL,
  paired_reserve token_amount NOT NULL,
  PRIMARY KEY (pool_id, taken_at)
);
COMMENT ON TABLE liquidity_snapshots IS 'What a pool held at a time, in the smallest units of its two tokens.';
