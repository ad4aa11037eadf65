CREATE TABLE payments (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  customer_id UUID NOT NULL REFERENCES customers,
  invoice_id UUID,
  amount amount NOT NULL CHECK (amount > 0),
  refunded amount NOT NULL DEFAULT 0,
  currency currency NOT NULL,
  status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'succeeded', 'failed', 'refunded')),
  idempotency_key UUID NOT NULL UNIQUE,
  provider TEXT NOT NULL,
  provider_payment_id TEXT,
  failure_code TEXT,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE (provider, provider_payment_id),
  FOREIGN KEY (invoice_id, currency) REFERENCES invoices (id, currency),
  CONSTRAINT payments_refund_fits CHECK (refunded <= amount),
  CONSTRAINT payments_refund_is_whole CHECK ((status = 'refunded') = (refunded = amount)),
  CONSTRAINT payments_failure_has_code CHECK ((status = 'failed') = (failure_code IS NOT NULL))
);
COMMENT ON TABLE payments IS 'Money asked from a customer through a provider.';
COMMENT ON COLUMN payments.idempotency_key IS 'Made by us before the provider is asked: the same request sent twice is one payment.';
COMMENT ON COLUMN payments.provider_payment_id IS 'The provider''s own number; null until it answers.';
COMMENT ON COLUMN payments.refunded IS 'How much of the amount was given back.';
CREATE INDEX payments_customer_id_idx ON payments (customer_id, created_at);
CREATE INDEX payments_invoice_id_idx ON payments (invoice_id);
CREATE INDEX payments_pending_idx ON payments (created_at) WHERE status = 'pending';
CREATE TRIGGER payments_updated_at BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE provider_events (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  provider TEXT NOT NULL,
  provider_event_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  payload JSONB NOT NULL,
  processed_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE (provider, provider_event_id)
);
COMMENT ON TABLE provider_events IS 'What providers told us. INSERT … ON CONFLICT DO NOTHING, and a message that comes twice counts once.';
CREATE INDEX provider_events_unprocessed_idx ON provider_events (created_at) WHERE processed_at IS NULL;
CREATE TRIGGER provider_events_updated_at BEFORE UPDATE ON provider_events
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
