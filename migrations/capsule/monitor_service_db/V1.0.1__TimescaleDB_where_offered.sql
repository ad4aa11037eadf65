-- Samples of metrics are kept by TimescaleDB where the server offers it, by PostgreSQL's own partitions where not. Once
-- decided it stays: metric_storage says which. Tables, columns, indexes and rights are the same.

-- The extension ends a session when its library is not preloaded, and no error can be caught then; its setting is there
-- only when the library is.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb' AND installed_version IS NULL)
    AND current_setting('timescaledb.max_background_workers', true) IS NOT NULL
  THEN
    EXECUTE 'CREATE EXTENSION timescaledb SCHEMA public';
  END IF;
EXCEPTION
  WHEN insufficient_privilege THEN
    RAISE NOTICE 'timescaledb is not created: % may not', current_user;
END
$$;

CREATE TABLE metric_storage (
  only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
  engine TEXT NOT NULL CHECK (engine IN ('timescaledb', 'partitions')),
  days_ahead INTEGER NOT NULL DEFAULT 7 CHECK (days_ahead BETWEEN 1 AND 60),
  compress_after INTERVAL NOT NULL DEFAULT '7 days',
  keep INTERVAL NOT NULL DEFAULT '90 days' CHECK (keep >= '1 day'),
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CHECK (compress_after < keep)
);
COMMENT ON TABLE metric_storage IS 'How samples are stored, and for how long. One row.';
COMMENT ON COLUMN metric_storage.days_ahead IS 'Days that are made before their samples come. TimescaleDB makes them by itself.';
COMMENT ON COLUMN metric_storage.compress_after IS 'Age at which TimescaleDB''s Community Edition compresses a day. Nothing else does.';
COMMENT ON COLUMN metric_storage.keep IS 'Age at which a whole day is deleted.';
CREATE TRIGGER metric_storage_updated_at BEFORE UPDATE ON metric_storage FOR EACH ROW EXECUTE FUNCTION set_updated_at();
INSERT INTO metric_storage (engine)
SELECT CASE
  WHEN EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN 'timescaledb'
  ELSE 'partitions'
END;
