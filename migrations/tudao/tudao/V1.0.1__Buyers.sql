-- Domains, because two tables, buyers and its archive, must always agree on them. Not enums: an enum's value can never
-- be taken away again, and the driver sees a domain as the plain text that it is.
CREATE DOMAIN buyer_status AS VARCHAR(20)
  CONSTRAINT buyer_status_known CHECK (VALUE IN ('pending_wire', 'active', 'refunded', 'expired'));
CREATE DOMAIN buyer_tier AS VARCHAR(20)
  CONSTRAINT buyer_tier_known CHECK (VALUE IN ('standard', 'premium', 'founder'));

COMMENT ON DOMAIN buyer_status IS
  'pending_wire: the transfer has not arrived. active: paid. refunded: money returned, final. expired: never paid.';
COMMENT ON DOMAIN buyer_tier IS 'Kind of licence. docs/tudao.md says how to change the list.';

CREATE TABLE buyers (
  id UUID CONSTRAINT buyers_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
  license_id VARCHAR(64) NOT NULL CHECK (license_id <> ''),
  wallet VARCHAR(42) NOT NULL CHECK (wallet ~ '^0x[0-9a-fA-F]{40}$'),
  tier buyer_tier NOT NULL,
  status buyer_status NOT NULL,
  email VARCHAR(320),
  name VARCHAR(200),
  -- An empty text instead of null would hide a failed mint.
  tx_hash VARCHAR(66) CHECK (tx_hash ~ '^0x[0-9a-fA-F]{64}$'),
  payment_method VARCHAR(20) CHECK (payment_method IN ('card', 'crypto', 'wire')),
  payment_reference VARCHAR(255),
  amount NUMERIC CHECK (amount >= 0),
  currency VARCHAR(10) CHECK (currency ~ '^[A-Z0-9]{3,10}$'),
  paid_at TIMESTAMPTZ,
  refunded_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT buyers_amount_has_currency CHECK ((amount IS NULL) = (currency IS NULL)),
  CONSTRAINT buyers_pending_is_wire CHECK (status <> 'pending_wire' OR payment_method = 'wire'),
  CONSTRAINT buyers_refund_has_time CHECK ((status = 'refunded') = (refunded_at IS NOT NULL))
);

CREATE UNIQUE INDEX buyers_license_id_idx ON buyers (license_id);
-- In this order: for a wallet alone both cost the planner the same, and of two equals it takes the one made last. That
-- should be the smaller.
CREATE INDEX buyers_wallet_status_idx ON buyers (wallet, status);
CREATE INDEX buyers_wallet_idx ON buyers (wallet);
CREATE INDEX buyers_tier_idx ON buyers (tier);
CREATE INDEX buyers_status_idx ON buyers (status);
CREATE INDEX buyers_created_at_idx ON buyers (created_at);

COMMENT ON TABLE buyers IS 'One row per licence sold. The application never deletes: it sets the status.';
COMMENT ON COLUMN buyers.license_id IS 'Name of the licence, for example NODE-00042. Never given twice, also not after archiving.';
COMMENT ON COLUMN buyers.wallet IS 'Address that the NFT goes to, 0x and 40 hexadecimal digits. Compared as written: choose one spelling.';
COMMENT ON COLUMN buyers.email IS 'Personal. Optional: keep it only where it is needed.';
COMMENT ON COLUMN buyers.name IS 'Personal. Optional: keep it only where it is needed.';
COMMENT ON COLUMN buyers.tx_hash IS 'Transaction that minted the NFT, 0x and 64 hexadecimal digits; null until then.';
COMMENT ON COLUMN buyers.payment_reference IS 'The payment provider''s or the bank''s identifier of the payment.';
COMMENT ON COLUMN buyers.amount IS 'Price in whole units of currency, exact.';
COMMENT ON COLUMN buyers.currency IS 'ISO 4217 code, or the symbol of a token.';
COMMENT ON COLUMN buyers.refunded_at IS 'Set by the trigger buyers_stamp when the status becomes refunded; retention counts from here.';
COMMENT ON COLUMN buyers.updated_at IS 'Set by the trigger buyers_stamp on every update.';
