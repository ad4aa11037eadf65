CREATE TABLE plans (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  code TEXT NOT NULL CHECK (code ~ '^[a-z][a-z0-9_]*$'),
  name TEXT NOT NULL,
  price amount NOT NULL,
  currency currency NOT NULL,
  billing_months INTEGER NOT NULL DEFAULT 1 CHECK (billing_months IN (1, 3, 12)),
  available BOOLEAN NOT NULL DEFAULT true,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE (code, currency, billing_months)
);
COMMENT ON TABLE plans IS 'What can be subscribed to, a row for each currency and period.';
CREATE TRIGGER plans_updated_at BEFORE UPDATE ON plans FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE subscriptions (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  customer_id UUID NOT NULL REFERENCES customers,
  plan_id UUID NOT NULL REFERENCES plans,
  status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('trialing', 'active', 'past_due', 'paused', 'cancelled')),
  provider TEXT NOT NULL,
  provider_subscription_id TEXT NOT NULL,
  period_start TIMESTAMPTZ NOT NULL,
  period_end TIMESTAMPTZ NOT NULL,
  cancel_at_period_end BOOLEAN NOT NULL DEFAULT false,
  cancelled_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE (provider, provider_subscription_id),
  CHECK (period_end > period_start),
  CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL))
);
COMMENT ON TABLE subscriptions IS 'Who subscribes to what.';
CREATE UNIQUE INDEX subscriptions_running_key ON subscriptions (customer_id, plan_id) WHERE status <> 'cancelled';
CREATE INDEX subscriptions_customer_id_idx ON subscriptions (customer_id);
CREATE INDEX subscriptions_plan_id_idx ON subscriptions (plan_id);
CREATE INDEX subscriptions_due_idx ON subscriptions (period_end) WHERE status <> 'cancelled';
CREATE TRIGGER subscriptions_updated_at BEFORE UPDATE ON subscriptions
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
