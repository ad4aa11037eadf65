CREATE TABLE archive_runs (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  started_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  finished_at TIMESTAMPTZ,
  cutoff TIMESTAMPTZ NOT NULL,
  batch_size INTEGER NOT NULL CHECK (batch_size > 0),
  batches INTEGER NOT NULL DEFAULT 0,
  rows_moved BIGINT NOT NULL DEFAULT 0,
  rows_left BIGINT,
  run_by NAME NOT NULL DEFAULT session_user
);

COMMENT ON TABLE archive_runs IS 'One row per call of archive_buyers, committed with each batch: it is true at any moment.';
COMMENT ON COLUMN archive_runs.finished_at IS 'Null while it runs, and for ever when it was killed.';
COMMENT ON COLUMN archive_runs.cutoff IS 'Rows created before this moment were due.';
COMMENT ON COLUMN archive_runs.rows_left IS 'Rows due and not moved because somebody was writing them; the next run takes them.';

-- The same columns, checks and seven indexes; PostgreSQL names those buyers_archive_pkey, buyers_archive_wallet_idx, ...
CREATE TABLE buyers_archive (
  LIKE buyers INCLUDING COMMENTS INCLUDING CONSTRAINTS INCLUDING INDEXES,
  archived_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  archive_run_id BIGINT NOT NULL REFERENCES archive_runs,
  CONSTRAINT buyers_archive_is_closed CHECK (status IN ('refunded', 'expired'))
);

COMMENT ON TABLE buyers_archive IS 'Refunded and expired buyers older than two years, moved here by archive_buyers.';

-- A licence that was archived is still taken. After the insert, because only then does the unique index make it wait
-- for a running move of the same licence; as the owner, because the application may not read the archive.
CREATE FUNCTION refuse_archived_license() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
  IF EXISTS (SELECT FROM buyers_archive WHERE license_id = NEW.license_id) THEN
    RAISE EXCEPTION 'the licence % belongs to an archived buyer', NEW.license_id
      USING ERRCODE = 'unique_violation', TABLE = 'buyers', COLUMN = 'license_id',
        CONSTRAINT = 'buyers_archive_license_id_idx';
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER buyers_license_not_archived
  AFTER INSERT OR UPDATE OF license_id ON buyers
  FOR EACH ROW
  EXECUTE FUNCTION refuse_archived_license();
