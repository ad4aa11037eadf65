CREATE TABLE subscription_plans (
  code TEXT PRIMARY KEY CHECK (code ~ '^[a-z][a-z0-9_]*$'),
  name TEXT NOT NULL,
  price fiat_amount NOT NULL,
  currency currency NOT NULL,
  billing_months INTEGER NOT NULL DEFAULT 1 CHECK (billing_months IN (1, 3, 12)),
  available BOOLEAN NOT NULL DEFAULT true
);
COMMENT ON TABLE subscription_plans IS 'What can be subscribed to.';

CREATE TABLE subscriptions (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id UUID NOT NULL REFERENCES users,
  plan TEXT NOT NULL REFERENCES subscription_plans,
  status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('trial', 'active', 'past_due', 'cancelled')),
  provider TEXT NOT NULL,
  provider_reference TEXT NOT NULL,
  period_start TIMESTAMPTZ NOT NULL,
  period_end TIMESTAMPTZ NOT NULL,
  cancelled_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  UNIQUE (provider, provider_reference),
  CHECK (period_end > period_start)
);
COMMENT ON TABLE subscriptions IS 'Who subscribes to what. Personal data.';
CREATE UNIQUE INDEX subscriptions_running_key ON subscriptions (user_id) WHERE status <> 'cancelled';
CREATE INDEX subscriptions_user_id_idx ON subscriptions (user_id);
CREATE INDEX subscriptions_plan_idx ON subscriptions (plan);
CREATE TRIGGER subscriptions_updated_at BEFORE UPDATE ON subscriptions
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE payments (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  subscription_id UUID NOT NULL REFERENCES subscriptions,
  amount fiat_amount NOT NULL,
  currency currency NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed', 'refunded')),
  provider TEXT NOT NULL,
  provider_reference TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  UNIQUE (provider, provider_reference)
);
COMMENT ON TABLE payments IS 'Payments of subscriptions. A provider''s message that comes twice finds its payment by reference. Personal data.';
CREATE INDEX payments_subscription_id_idx ON payments (subscription_id);
CREATE INDEX payments_created_at_idx ON payments (created_at);
CREATE TRIGGER payments_updated_at BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION set_updated_at();
