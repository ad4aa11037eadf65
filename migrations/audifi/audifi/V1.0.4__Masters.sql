CREATE TABLE contracts (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  chain_id BIGINT NOT NULL CHECK (chain_id > 0),
  address evm_address NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('master_nft', 'ipo', 'dividend', 'artist_coin', 'liquidity_pool')),
  deployed_tx tx_hash,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  UNIQUE (chain_id, address)
);
COMMENT ON TABLE contracts IS 'Smart contracts of the product.';
COMMENT ON COLUMN contracts.chain_id IS 'EIP-155 number of the chain.';

CREATE TABLE masters (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  artist_id UUID NOT NULL REFERENCES artists,
  title TEXT NOT NULL,
  isrc TEXT UNIQUE CHECK (isrc ~ '^[A-Z]{2}[A-Z0-9]{3}[0-9]{7}$'),
  genre TEXT,
  status TEXT NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'published', 'withdrawn')),
  released_on DATE,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE masters IS 'Master recordings.';
COMMENT ON COLUMN masters.isrc IS 'International Standard Recording Code, without hyphens.';
CREATE INDEX masters_artist_id_idx ON masters (artist_id);
CREATE TRIGGER masters_updated_at BEFORE UPDATE ON masters FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE master_producers (
  master_id UUID NOT NULL REFERENCES masters ON DELETE CASCADE,
  producer_id UUID NOT NULL REFERENCES producers,
  share basis_points NOT NULL,
  PRIMARY KEY (master_id, producer_id)
);
COMMENT ON TABLE master_producers IS 'Producers of a master and their share of what it earns.';
CREATE INDEX master_producers_producer_id_idx ON master_producers (producer_id);

CREATE TABLE master_ipos (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  master_id UUID NOT NULL REFERENCES masters,
  contract_id UUID REFERENCES contracts,
  status TEXT NOT NULL DEFAULT 'planned' CHECK (status IN ('planned', 'open', 'closed', 'cancelled')),
  units_offered token_amount NOT NULL CHECK (units_offered > 0),
  unit_price token_amount NOT NULL,
  payment_token evm_address NOT NULL,
  revenue_share basis_points NOT NULL,
  opens_at TIMESTAMPTZ NOT NULL,
  closes_at TIMESTAMPTZ NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  CHECK (closes_at > opens_at)
);
COMMENT ON TABLE master_ipos IS 'Offers of shares in what a master earns.';
COMMENT ON COLUMN master_ipos.unit_price IS 'Price of one unit, in the smallest unit of the payment token.';
COMMENT ON COLUMN master_ipos.revenue_share IS 'Share of the master''s revenue that all units together receive.';
CREATE INDEX master_ipos_master_id_idx ON master_ipos (master_id);
CREATE INDEX master_ipos_contract_id_idx ON master_ipos (contract_id);
-- What is running now is a handful of rows among all that ever ran.
CREATE INDEX master_ipos_running_idx ON master_ipos (closes_at) WHERE status IN ('planned', 'open');
CREATE TRIGGER master_ipos_updated_at BEFORE UPDATE ON master_ipos FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE ipo_purchases (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  ipo_id UUID NOT NULL REFERENCES master_ipos,
  buyer evm_address NOT NULL,
  units token_amount NOT NULL CHECK (units > 0),
  paid token_amount NOT NULL,
  chain_id BIGINT NOT NULL CHECK (chain_id > 0),
  tx_hash tx_hash NOT NULL,
  log_index INTEGER NOT NULL CHECK (log_index >= 0),
  purchased_at TIMESTAMPTZ NOT NULL,
  UNIQUE (chain_id, tx_hash, log_index)
);
COMMENT ON TABLE ipo_purchases IS 'Units sold in an IPO, one row for each purchase that the chain confirmed. Personal data: addresses.';
CREATE INDEX ipo_purchases_ipo_id_idx ON ipo_purchases (ipo_id);
CREATE INDEX ipo_purchases_buyer_idx ON ipo_purchases (buyer);
