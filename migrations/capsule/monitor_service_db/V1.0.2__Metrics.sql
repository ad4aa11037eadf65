CREATE TABLE metric_definitions (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  name TEXT NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_.]*$' AND length(name) <= 200),
  kind TEXT NOT NULL CHECK (kind IN ('gauge', 'counter')),
  unit TEXT NOT NULL,
  description TEXT NOT NULL CHECK (description <> ''),
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE metric_definitions IS 'What is measured. A sample of anything else is refused.';
COMMENT ON COLUMN metric_definitions.kind IS 'gauge: goes up and down. counter: only grows, and begins at zero again when its source restarts.';
COMMENT ON COLUMN metric_definitions.unit IS 'For example seconds, bytes or 1.';
CREATE TRIGGER metric_definitions_updated_at BEFORE UPDATE ON metric_definitions
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();

-- One list of columns for both engines. TimescaleDB compresses a table only when its key is made of the columns that it
-- segments and orders by. A sample has no updated_at, since it never changes, and no created_at, which would cost as
-- much as the sample.
DO $$
DECLARE
  hypertable BOOLEAN := (SELECT engine = 'timescaledb' FROM metric_storage);
BEGIN
  EXECUTE 'CREATE TABLE metrics (
    metric_id UUID NOT NULL REFERENCES metric_definitions,
    source TEXT NOT NULL CHECK (source <> ''''),
    observed_at TIMESTAMPTZ NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    labels JSONB NOT NULL DEFAULT ''{}'',
    PRIMARY KEY (metric_id, source, observed_at)
  )' || CASE WHEN hypertable THEN '' ELSE ' PARTITION BY RANGE (observed_at)' END;
  IF hypertable THEN
    EXECUTE 'SELECT create_hypertable(''metrics'', ''observed_at'', chunk_time_interval => INTERVAL ''1 day'','
      ' create_default_indexes => false)';
  ELSE
    CREATE SCHEMA partitions;
    COMMENT ON SCHEMA partitions IS 'Days of the metrics. Queries and inserts name the table in public, never a day.';
    CREATE TABLE partitions.metrics_default PARTITION OF metrics DEFAULT;
    COMMENT ON TABLE partitions.metrics_default IS 'Samples whose day is not made. They move when it is, or go when they are too old.';
  END IF;
END
$$;
COMMENT ON TABLE metrics IS 'Samples, by day. INSERT … ON CONFLICT DO NOTHING, and a sample that comes twice counts once.';
COMMENT ON COLUMN metrics.source IS 'Who was measured, for example the name of a service''s instance.';
CREATE INDEX metrics_metric_id_idx ON metrics (metric_id, observed_at DESC);
CREATE INDEX metrics_observed_at_idx ON metrics (observed_at DESC);
