-- Until when a row must be kept. The one place that knows the seven years.
CREATE FUNCTION retention_ends(status buyer_status, refunded_at TIMESTAMPTZ) RETURNS TIMESTAMPTZ
LANGUAGE sql STABLE
RETURN CASE status
  WHEN 'active' THEN 'infinity'::timestamptz
  WHEN 'refunded' THEN refunded_at + INTERVAL '7 years'
  ELSE '-infinity'::timestamptz
END;

CREATE FUNCTION refuse_early_delete() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
  IF retention_ends(OLD.status, OLD.refunded_at) <= now() THEN
    RETURN OLD;
  END IF;
  -- What leaves buyers for the archive is kept, and the archive has it before it leaves.
  IF TG_TABLE_NAME = 'buyers' AND EXISTS (
    SELECT FROM buyers_archive a WHERE a.id = OLD.id AND a.license_id = OLD.license_id
  ) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'buyer % is % and must be kept until %',
    OLD.id, OLD.status, retention_ends(OLD.status, OLD.refunded_at)
    USING ERRCODE = 'restrict_violation',
      HINT = 'Active buyers are kept for ever, refunded ones for seven years; purge_refunds() deletes those past it.';
END
$$;

CREATE FUNCTION refuse_early_truncate() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
DECLARE
  kept BIGINT;
BEGIN
  EXECUTE format(
    'SELECT count(*) FROM %I.%I WHERE retention_ends(status, refunded_at) > now()', TG_TABLE_SCHEMA, TG_TABLE_NAME
  ) INTO kept;
  IF kept > 0 THEN
    RAISE EXCEPTION '% rows of % must be kept', kept, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER buyers_retention
  BEFORE DELETE ON buyers FOR EACH ROW EXECUTE FUNCTION refuse_early_delete();
CREATE TRIGGER buyers_archive_retention
  BEFORE DELETE ON buyers_archive FOR EACH ROW EXECUTE FUNCTION refuse_early_delete();
CREATE TRIGGER buyers_retention_truncate
  BEFORE TRUNCATE ON buyers FOR EACH STATEMENT EXECUTE FUNCTION refuse_early_truncate();
CREATE TRIGGER buyers_archive_retention_truncate
  BEFORE TRUNCATE ON buyers_archive FOR EACH STATEMENT EXECUTE FUNCTION refuse_early_truncate();

CREATE TABLE expired_wires (
  buyer_id UUID NOT NULL,
  license_id VARCHAR(64) NOT NULL,
  pending_since TIMESTAMPTZ NOT NULL,
  expired_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  expired_by NAME NOT NULL DEFAULT session_user,
  PRIMARY KEY (buyer_id, expired_at)
);
COMMENT ON TABLE expired_wires IS 'What expire_pending_wires has expired.';

CREATE TABLE purged_buyers (
  buyer_id UUID PRIMARY KEY,
  license_id VARCHAR(64) NOT NULL,
  refunded_at TIMESTAMPTZ NOT NULL,
  purged_from NAME NOT NULL,
  purged_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  purged_by NAME NOT NULL DEFAULT session_user
);
COMMENT ON TABLE purged_buyers IS 'What purge_refunds has deleted, without anything personal.';
