CREATE TABLE invoices (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  customer_id UUID NOT NULL REFERENCES customers,
  subscription_id UUID REFERENCES subscriptions,
  number TEXT UNIQUE CHECK (number <> ''),
  status TEXT NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'open', 'paid', 'void', 'uncollectible')),
  currency currency NOT NULL,
  issued_at TIMESTAMPTZ,
  due_at TIMESTAMPTZ CHECK (due_at >= issued_at),
  paid_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  -- What payments refer to, so that money is paid in the currency it is asked in.
  UNIQUE (id, currency),
  CONSTRAINT invoices_issued_has_number CHECK (status = 'draft' OR (number IS NOT NULL AND issued_at IS NOT NULL)),
  CONSTRAINT invoices_paid_has_time CHECK ((status = 'paid') = (paid_at IS NOT NULL))
);
COMMENT ON TABLE invoices IS 'What a customer is asked to pay. A draft changes freely; an issued invoice only in what becomes of it.';
COMMENT ON COLUMN invoices.number IS 'Given when the invoice is issued; never given twice.';
CREATE INDEX invoices_customer_id_idx ON invoices (customer_id, issued_at);
CREATE INDEX invoices_subscription_id_idx ON invoices (subscription_id);
CREATE INDEX invoices_open_idx ON invoices (due_at) WHERE status = 'open';
CREATE TRIGGER invoices_updated_at BEFORE UPDATE ON invoices FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE invoice_lines (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  invoice_id UUID NOT NULL REFERENCES invoices ON DELETE CASCADE,
  description TEXT NOT NULL CHECK (description <> ''),
  quantity INTEGER NOT NULL DEFAULT 1 CHECK (quantity > 0),
  unit_price BIGINT NOT NULL,
  total BIGINT NOT NULL GENERATED ALWAYS AS (quantity * unit_price) STORED,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE invoice_lines IS 'What an invoice is made of, in the currency of the invoice. Fixed once it is issued.';
COMMENT ON COLUMN invoice_lines.unit_price IS 'In the smallest unit of the currency. Negative for a discount or a credit.';
CREATE INDEX invoice_lines_invoice_id_idx ON invoice_lines (invoice_id);
CREATE TRIGGER invoice_lines_updated_at BEFORE UPDATE ON invoice_lines
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE VIEW invoice_totals AS
  SELECT i.id AS invoice_id, i.customer_id, i.number, i.status, i.currency, coalesce(sum(l.total), 0)::bigint AS total
  FROM invoices i LEFT JOIN invoice_lines l ON l.invoice_id = i.id
  GROUP BY i.id;
COMMENT ON VIEW invoice_totals IS 'The sum of each invoice, in the smallest unit of its currency.';

CREATE FUNCTION guard_issued_invoice() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status <> 'draft' AND (
    TG_OP = 'DELETE' OR NEW.status = 'draft'
    OR (NEW.customer_id, NEW.subscription_id, NEW.number, NEW.currency, NEW.issued_at)
      IS DISTINCT FROM (OLD.customer_id, OLD.subscription_id, OLD.number, OLD.currency, OLD.issued_at)
  ) THEN
    RAISE EXCEPTION 'invoice % is % and cannot be changed: % refused', OLD.number, OLD.status, TG_OP
      USING ERRCODE = 'restrict_violation', HINT = 'Set its status to void and issue another.';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
COMMENT ON FUNCTION guard_issued_invoice IS 'Trigger of invoices: an issued one keeps who owes what under which number.';
CREATE TRIGGER invoices_guard BEFORE UPDATE OR DELETE ON invoices
  FOR EACH ROW EXECUTE FUNCTION guard_issued_invoice();

-- The lock makes a line wait for an invoice that is being issued right now. The status is looked at under the lock: as
-- a condition of the query it would be that of the draft before, and there would be nothing to wait for.
CREATE FUNCTION guard_issued_lines() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
  invoice invoices;
BEGIN
  FOR invoice IN
    SELECT * FROM invoices
    WHERE id IN (
      CASE WHEN TG_OP <> 'INSERT' THEN OLD.invoice_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.invoice_id END
    )
    ORDER BY id
    FOR SHARE
  LOOP
    IF invoice.status <> 'draft' THEN
      RAISE EXCEPTION 'invoice % is % and its lines cannot be changed: % refused',
        invoice.number, invoice.status, TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'Set its status to void and issue another.';
    END IF;
  END LOOP;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
COMMENT ON FUNCTION guard_issued_lines IS 'Trigger of invoice_lines: those of an issued invoice are fixed.';
CREATE TRIGGER invoice_lines_guard BEFORE INSERT OR UPDATE OR DELETE ON invoice_lines
  FOR EACH ROW EXECUTE FUNCTION guard_issued_lines();
