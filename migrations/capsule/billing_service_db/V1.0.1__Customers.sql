-- Domains, because every table with money must agree on them.
CREATE DOMAIN currency AS TEXT
  CONSTRAINT currency_supported CHECK (VALUE IN ('USD', 'EUR', 'GBP', 'BRL'));
COMMENT ON DOMAIN currency IS 'ISO 4217 code of a currency that Capsule charges in. Each of them has two decimals.';

-- Whole numbers, as the payment providers count: no rounding can creep in, and a sum is exact.
CREATE DOMAIN amount AS BIGINT CONSTRAINT amount_not_negative CHECK (VALUE >= 0);
COMMENT ON DOMAIN amount IS 'Money in the smallest unit of its currency: cents, pence, centavos.';

CREATE TABLE customers (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  user_id UUID NOT NULL UNIQUE,
  email CITEXT NOT NULL CHECK (email LIKE '%_@_%' AND length(email) <= 254),
  name TEXT,
  currency currency NOT NULL,
  provider TEXT NOT NULL CHECK (provider ~ '^[a-z][a-z0-9_]*$'),
  provider_customer_id TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE (provider, provider_customer_id)
);
COMMENT ON TABLE customers IS 'Who pays. Personal data.';
COMMENT ON COLUMN customers.user_id IS 'The user of the auth service, in whose database no foreign key can reach.';
COMMENT ON COLUMN customers.provider IS 'Who takes the payments. No number of a card is kept here.';
CREATE INDEX customers_email_idx ON customers (email);
CREATE TRIGGER customers_updated_at BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION set_updated_at();
