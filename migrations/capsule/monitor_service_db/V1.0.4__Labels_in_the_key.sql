-- Two series of one metric and source differ in their labels alone: a process of a host, a path of a service. With the
-- key of before, the second sample of a moment was taken for the first one again and dropped.
--
-- The wider key holds for every row there is. Its index is made anew, a day at a time, in this one transaction: whoever
-- writes waits for as long as that takes, seconds for a million samples.
DO $$
DECLARE
  compressed BOOLEAN := false;
BEGIN
  IF (SELECT engine FROM metric_storage) = 'timescaledb' THEN
    EXECUTE 'SELECT compression_enabled FROM timescaledb_information.hypertables'
      ' WHERE (hypertable_schema, hypertable_name) = (''public'', ''metrics'')' INTO compressed;
  END IF;
  -- The Community Edition changes no key under compressed days. The next maintain_metrics() compresses them again.
  IF compressed THEN
    EXECUTE 'SELECT decompress_chunk(chunk, if_compressed => true) FROM show_chunks(''metrics'') AS chunk';
    EXECUTE 'ALTER TABLE metrics SET (timescaledb.compress = false)';
  END IF;
  ALTER TABLE metrics DROP CONSTRAINT metrics_pkey;
  ALTER TABLE metrics ADD PRIMARY KEY (metric_id, source, labels, observed_at);
END
$$;
COMMENT ON COLUMN metrics.labels IS 'What tells one series of a metric and source from another. Part of the key, so keep it short: an index entry has room for some 2,600 bytes.';
