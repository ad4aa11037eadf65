-- Customers for development, whose people are those of the auth service's test data: one who pays, one whose card was
-- refused, one on trial. Running it again adds what is missing and changes nothing.

CREATE FUNCTION pg_temp.id(name TEXT) RETURNS UUID LANGUAGE sql IMMUTABLE
RETURN md5('capsule test data: ' || name)::uuid;

INSERT INTO plans (id, code, name, price, currency) VALUES
  (pg_temp.id('plan starter'), 'starter', 'Starter', 900, 'USD'),
  (pg_temp.id('plan team'), 'team', 'Team', 4900, 'EUR')
ON CONFLICT DO NOTHING;
INSERT INTO customers (id, user_id, email, name, currency, provider, provider_customer_id)
SELECT pg_temp.id('customer ' || handle), pg_temp.id(handle), handle || '@capsule.example', name, currency,
  'development', 'customer-' || handle
FROM (VALUES ('ada', 'Ada Admin', 'EUR'), ('ben', 'Ben Builder', 'USD'), ('cat', 'Cat Cashier', 'USD'))
  AS people (handle, name, currency)
ON CONFLICT DO NOTHING;
INSERT INTO subscriptions (
  id, customer_id, plan_id, status, provider, provider_subscription_id, period_start, period_end
)
SELECT pg_temp.id('subscription ' || handle), pg_temp.id('customer ' || handle), pg_temp.id('plan ' || plan), status,
  'development', 'subscription-' || handle, date_trunc('month', CURRENT_TIMESTAMP),
  date_trunc('month', CURRENT_TIMESTAMP) + INTERVAL '1 month'
FROM (VALUES ('ada', 'team', 'active'), ('ben', 'starter', 'past_due'), ('cat', 'starter', 'trialing'))
  AS chosen (handle, plan, status)
ON CONFLICT DO NOTHING;

-- An invoice is written as a draft and then issued; after that its lines are fixed.
INSERT INTO invoices (id, customer_id, subscription_id, currency)
SELECT pg_temp.id('invoice ' || handle), pg_temp.id('customer ' || handle), pg_temp.id('subscription ' || handle), currency
FROM (VALUES ('ada', 'EUR'), ('ben', 'USD')) AS owed (handle, currency)
ON CONFLICT DO NOTHING;
INSERT INTO invoice_lines (id, invoice_id, description, unit_price)
SELECT pg_temp.id('line ' || handle), i.id, description, price
FROM (VALUES ('ada', 'Team, one month', 4900), ('ben', 'Starter, one month', 900)) AS owed (handle, description, price)
JOIN invoices i ON i.id = pg_temp.id('invoice ' || handle) AND i.status = 'draft'
ON CONFLICT DO NOTHING;
UPDATE invoices SET status = 'open', number = 'DEV-1', issued_at = '2026-01-01', due_at = '2026-01-15'
WHERE id = pg_temp.id('invoice ada') AND status = 'draft';
UPDATE invoices SET status = 'paid', paid_at = '2026-01-02' WHERE id = pg_temp.id('invoice ada') AND status = 'open';
UPDATE invoices SET status = 'open', number = 'DEV-2', issued_at = '2026-01-01', due_at = '2026-01-15'
WHERE id = pg_temp.id('invoice ben') AND status = 'draft';
INSERT INTO payments (
  id, customer_id, invoice_id, amount, currency, status, idempotency_key, provider, provider_payment_id, failure_code
)
SELECT pg_temp.id('payment ' || handle), pg_temp.id('customer ' || handle), pg_temp.id('invoice ' || handle), amount,
  currency, status, pg_temp.id('key ' || handle), 'development', 'payment-' || handle, failure
FROM (VALUES ('ada', 4900, 'EUR', 'succeeded', NULL), ('ben', 900, 'USD', 'failed', 'card_declined'))
  AS paid (handle, amount, currency, status, failure)
ON CONFLICT DO NOTHING;
INSERT INTO provider_events (id, provider, provider_event_id, kind, payload)
VALUES (pg_temp.id('provider event'), 'development', 'event-1', 'payment.failed', '{"payment": "payment-ben"}')
ON CONFLICT DO NOTHING;
