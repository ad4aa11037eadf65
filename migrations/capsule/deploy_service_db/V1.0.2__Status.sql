-- Which way the status of a build or deployment may go, as rows.
CREATE TABLE status_transitions (
  table_name NAME NOT NULL,
  from_status TEXT NOT NULL,
  to_status TEXT NOT NULL,
  PRIMARY KEY (table_name, from_status, to_status)
);
COMMENT ON TABLE status_transitions IS 'What may become of a status. One that is in no row''s from_status is final.';
INSERT INTO status_transitions (table_name, from_status, to_status) VALUES
  ('builds', 'queued', 'running'),
  ('builds', 'queued', 'cancelled'),
  ('builds', 'running', 'succeeded'),
  ('builds', 'running', 'failed'),
  ('builds', 'running', 'cancelled'),
  ('deployments', 'queued', 'deploying'),
  ('deployments', 'queued', 'cancelled'),
  ('deployments', 'deploying', 'live'),
  ('deployments', 'deploying', 'failed'),
  ('deployments', 'deploying', 'cancelled'),
  ('deployments', 'live', 'superseded'),
  ('deployments', 'live', 'rolled_back');

CREATE TABLE status_changes (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_name NAME NOT NULL,
  row_id UUID NOT NULL,
  from_status TEXT,
  to_status TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE status_changes IS 'Which status a build or deployment had when, in order. Append-only; triggers write it.';
CREATE INDEX status_changes_row_idx ON status_changes (row_id, id);
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON status_changes FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON status_changes EXECUTE FUNCTION refuse_change();

CREATE FUNCTION check_status() RETURNS TRIGGER LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status = 'queued' THEN
      RETURN NEW;
    END IF;
    RAISE EXCEPTION '% begin queued, not %', TG_TABLE_NAME, NEW.status USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.status = OLD.status THEN
    RETURN NEW;
  END IF;
  IF NOT EXISTS (
    SELECT FROM status_transitions
    WHERE table_name = TG_TABLE_NAME AND from_status = OLD.status AND to_status = NEW.status
  ) THEN
    RAISE EXCEPTION '% % is % and cannot become %', TG_TABLE_NAME, OLD.id, OLD.status, NEW.status
      USING ERRCODE = 'check_violation', HINT = (
        SELECT coalesce(
          'It can become ' || string_agg(to_status, ', ' ORDER BY to_status) || '.', 'That status is final.')
        FROM status_transitions WHERE table_name = TG_TABLE_NAME AND from_status = OLD.status);
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION check_status IS 'Trigger of builds and deployments: a status goes only the ways of status_transitions.';

CREATE FUNCTION stamp_status() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.status <> OLD.status THEN
    IF OLD.status = 'queued' THEN
      NEW.started_at = CASE WHEN NEW.status <> 'cancelled' THEN CURRENT_TIMESTAMP END;
    END IF;
    IF NEW.status NOT IN ('queued', 'running', 'deploying') AND OLD.finished_at IS NULL THEN
      NEW.finished_at = CURRENT_TIMESTAMP;
    END IF;
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION stamp_status IS 'Trigger of builds and deployments: when the work began, and when it ended one way or another.';

CREATE FUNCTION record_status() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO status_changes (table_name, row_id, from_status, to_status)
  VALUES (TG_TABLE_NAME, NEW.id, CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status);
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION record_status IS 'Trigger of builds and deployments: writes status_changes.';

CREATE PROCEDURE track_status(relation REGCLASS) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER a_check_status BEFORE INSERT OR UPDATE OF status ON %s'
    ' FOR EACH ROW EXECUTE FUNCTION check_status()', relation);
  EXECUTE format('CREATE TRIGGER b_stamp_status BEFORE UPDATE OF status ON %s'
    ' FOR EACH ROW EXECUTE FUNCTION stamp_status()', relation);
  EXECUTE format('CREATE TRIGGER record_first_status AFTER INSERT ON %s'
    ' FOR EACH ROW EXECUTE FUNCTION record_status()', relation);
  EXECUTE format('CREATE TRIGGER record_status AFTER UPDATE OF status ON %s'
    ' FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION record_status()', relation);
END
$$;
COMMENT ON PROCEDURE track_status IS 'Gives a table with id, status, started_at and finished_at the triggers above. They run in the order of their names.';
