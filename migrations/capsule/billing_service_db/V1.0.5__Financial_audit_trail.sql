CREATE TABLE financial_audit_trail (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_name NAME NOT NULL,
  row_id UUID NOT NULL,
  operation TEXT NOT NULL CHECK (operation IN ('INSERT', 'UPDATE', 'DELETE')),
  before JSONB,
  after JSONB,
  changed_by NAME NOT NULL DEFAULT session_user,
  transaction_id XID8 NOT NULL DEFAULT pg_current_xact_id(),
  created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE financial_audit_trail IS 'Every change of what money depends on, in order. Append-only; triggers write it. Personal data.';
COMMENT ON COLUMN financial_audit_trail.id IS 'A number and no UUID: it gives the order.';
CREATE INDEX financial_audit_trail_row_idx ON financial_audit_trail (row_id, id);
CREATE INDEX financial_audit_trail_created_at_idx ON financial_audit_trail (created_at);
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON financial_audit_trail
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON financial_audit_trail EXECUTE FUNCTION refuse_change();

-- As the owner: the service changes payments and must not write or leave out its own record of that.
CREATE FUNCTION record_financial_change() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  before JSONB := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
  after JSONB := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
BEGIN
  INSERT INTO financial_audit_trail (table_name, row_id, operation, before, after)
  VALUES (TG_TABLE_NAME, (coalesce(after, before) ->> 'id')::uuid, TG_OP, before, after);
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION record_financial_change IS 'Trigger of the tables that money depends on: writes financial_audit_trail.';

DO $$
DECLARE
  audited NAME;
BEGIN
  FOREACH audited IN ARRAY ARRAY['customers', 'plans', 'subscriptions', 'invoices', 'invoice_lines', 'payments'] LOOP
    EXECUTE format(
      'CREATE TRIGGER %I AFTER INSERT OR UPDATE OR DELETE ON %I'
      ' FOR EACH ROW EXECUTE FUNCTION record_financial_change()',
      audited || '_audit', audited);
  END LOOP;
END
$$;
