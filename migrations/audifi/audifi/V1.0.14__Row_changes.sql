-- DigitalOcean has neither pgaudit nor log_statement. So each change of a row that tells of a person or of money is
-- written down by the database itself, whoever made it and by whichever way. Reading leaves no trace here.

CREATE TABLE row_changes (
  id UUID NOT NULL DEFAULT gen_random_uuid(),
  table_name NAME NOT NULL,
  change TEXT NOT NULL CHECK (change IN ('insert', 'update', 'delete', 'truncate')),
  row_key JSONB,
  columns TEXT[],
  login NAME NOT NULL DEFAULT session_user,
  application TEXT DEFAULT nullif(current_setting('application_name'), ''),
  transaction XID8 NOT NULL DEFAULT pg_current_xact_id(),
  created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
COMMENT ON TABLE row_changes IS 'Who changed which row of a sensitive table. Append-only; triggers write it, the administrator reads it. Personal data: keys.';
COMMENT ON COLUMN row_changes.row_key IS 'The row''s primary key; null for a TRUNCATE.';
COMMENT ON COLUMN row_changes.columns IS 'What an update changed. Values are not kept: they would outlive the deletion of the person they tell of.';
COMMENT ON COLUMN row_changes.transaction IS 'What one transaction changed belongs together.';
CREATE INDEX row_changes_row_idx ON row_changes (table_name, row_key, created_at);
CREATE INDEX row_changes_login_idx ON row_changes (login, created_at);
CALL make_event_table('row_changes', 'created_at', 24);

-- As its owner, so that nobody who changes rows needs a right to this table, and nobody can leave the note out.
CREATE FUNCTION note_row_change() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  old_row JSONB := CASE WHEN TG_OP IN ('UPDATE', 'DELETE') THEN to_jsonb(OLD) END;
  new_row JSONB := CASE WHEN TG_OP IN ('UPDATE', 'INSERT') THEN to_jsonb(NEW) END;
  changed TEXT[];
BEGIN
  IF TG_OP = 'UPDATE' THEN
    SELECT array_agg(name ORDER BY name) INTO changed
    FROM jsonb_object_keys(new_row) AS name WHERE new_row -> name IS DISTINCT FROM old_row -> name;
    IF changed IS NULL THEN
      RETURN NULL;
    END IF;
  END IF;
  INSERT INTO row_changes (table_name, change, row_key, columns)
  VALUES (
    TG_TABLE_NAME, lower(TG_OP),
    -- The key before the change: by it the row was found.
    (SELECT jsonb_object_agg(name, coalesce(old_row, new_row) -> name) FROM unnest(TG_ARGV) AS name), changed);
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION note_row_change IS 'Trigger of sensitive tables. Its arguments are the columns of the primary key.';

CREATE PROCEDURE note_changes(relation REGCLASS) LANGUAGE plpgsql AS $$
DECLARE
  key TEXT;
BEGIN
  SELECT string_agg(quote_literal(attname), ', ') INTO STRICT key
  FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
  WHERE indrelid = relation AND indisprimary;
  EXECUTE format(
    'CREATE TRIGGER note_row_change AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW'
    ' EXECUTE FUNCTION public.note_row_change(%s)', relation, key);
  EXECUTE format(
    'CREATE TRIGGER note_truncate AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION public.note_row_change()',
    relation);
END
$$;
COMMENT ON PROCEDURE note_changes IS 'Has every change of a table written down in row_changes.';

CALL note_changes('users');
CALL note_changes('accounts');
CALL note_changes('user_wallets');
CALL note_changes('user_roles');
CALL note_changes('dividend_payouts');
CALL note_changes('subscriptions');
CALL note_changes('payments');
