CREATE TABLE chain_revenue_events (
  chain_id BIGINT NOT NULL,
  block_number BIGINT NOT NULL CHECK (block_number >= 0),
  block_time TIMESTAMPTZ NOT NULL,
  tx_hash tx_hash NOT NULL,
  log_index INTEGER NOT NULL,
  contract evm_address NOT NULL,
  event TEXT NOT NULL CHECK (event IN ('deposit', 'dividend')),
  token evm_address NOT NULL,
  account evm_address NOT NULL,
  amount token_amount NOT NULL,
  log JSONB,
  PRIMARY KEY (chain_id, tx_hash, log_index, block_time)
) PARTITION BY RANGE (block_time);
COMMENT ON TABLE chain_revenue_events IS 'Raw events of revenue contracts: money paid in and dividends paid out. Append-only; ingest_chain_events() writes it.';
COMMENT ON COLUMN chain_revenue_events.account IS 'Who paid in, or who was paid.';
COMMENT ON COLUMN chain_revenue_events.log IS 'The log entry as the node gave it.';
CREATE INDEX chain_revenue_events_contract_idx ON chain_revenue_events (contract, block_time);
CREATE INDEX chain_revenue_events_account_idx ON chain_revenue_events (account, block_time);
CREATE INDEX chain_revenue_events_block_idx ON chain_revenue_events (chain_id, block_number);
CALL make_event_table('chain_revenue_events', 'block_time');

CREATE TABLE revenue_events (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  master_id UUID NOT NULL REFERENCES masters,
  source TEXT NOT NULL CHECK (source IN ('streaming', 'sync', 'download', 'performance', 'other')),
  reference TEXT NOT NULL,
  token evm_address NOT NULL,
  amount token_amount NOT NULL,
  earned_from DATE NOT NULL,
  earned_until DATE NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  UNIQUE (source, reference),
  CHECK (earned_until >= earned_from)
);
COMMENT ON TABLE revenue_events IS 'What a master earned, as its source reported it.';
COMMENT ON COLUMN revenue_events.reference IS 'The source''s own number of the report, so that a report counts once.';
CREATE INDEX revenue_events_master_id_idx ON revenue_events (master_id, earned_from);

CREATE TABLE dividends (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  ipo_id UUID NOT NULL REFERENCES master_ipos,
  token evm_address NOT NULL,
  amount token_amount NOT NULL,
  amount_per_unit token_amount NOT NULL,
  status TEXT NOT NULL DEFAULT 'declared' CHECK (status IN ('declared', 'paying', 'paid', 'cancelled')),
  record_date DATE NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE dividends IS 'Distributions of revenue to the holders of an IPO''s units.';
COMMENT ON COLUMN dividends.record_date IS 'Who holds units at the end of this day (UTC) is paid.';
CREATE INDEX dividends_ipo_id_idx ON dividends (ipo_id);
CREATE TRIGGER dividends_updated_at BEFORE UPDATE ON dividends FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE dividend_payouts (
  dividend_id UUID NOT NULL REFERENCES dividends,
  holder evm_address NOT NULL,
  units token_amount NOT NULL,
  amount token_amount NOT NULL,
  tx_hash tx_hash,
  paid_at TIMESTAMPTZ,
  PRIMARY KEY (dividend_id, holder)
);
COMMENT ON TABLE dividend_payouts IS 'What each holder gets of a dividend, once. Personal data: addresses.';
COMMENT ON COLUMN dividend_payouts.tx_hash IS 'Transaction of the payment; null until it is sent.';
CREATE INDEX dividend_payouts_holder_idx ON dividend_payouts (holder);
CREATE INDEX dividend_payouts_unpaid_idx ON dividend_payouts (dividend_id) WHERE paid_at IS NULL;
