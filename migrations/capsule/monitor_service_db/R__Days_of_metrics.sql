-- Makes room for samples and takes out old ones, whichever engine stores them. The service runs maintain_metrics()
-- daily and needs no other right: it runs as its owner.

CREATE OR REPLACE PROCEDURE make_metric_day(day TIMESTAMPTZ)
LANGUAGE plpgsql SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  name TEXT := to_char(day, '"metrics_"YYYY_MM_DD');
  next_day TIMESTAMPTZ := day + INTERVAL '1 day';
BEGIN
  -- CREATE TABLE … PARTITION OF would lock the table against every reader; ATTACH of a table made apart does not.
  EXECUTE format('CREATE TABLE partitions.%I (LIKE metrics INCLUDING ALL)', name);
  -- Samples of this day that came before it was made stand in the default partition, and ATTACH refuses a day that has
  -- rows there. Nobody reads or writes it while they move; everything is one transaction.
  LOCK TABLE partitions.metrics_default IN ACCESS EXCLUSIVE MODE;
  EXECUTE format(
    'WITH moved AS (DELETE FROM partitions.metrics_default WHERE observed_at >= $1 AND observed_at < $2 RETURNING *)'
    ' INSERT INTO partitions.%I SELECT * FROM moved', name) USING day, next_day;
  EXECUTE format(
    'ALTER TABLE metrics ATTACH PARTITION partitions.%I FOR VALUES FROM (%L) TO (%L)', name, day, next_day);
END
$$;
COMMENT ON PROCEDURE make_metric_day IS 'Makes one day of the metrics and moves its samples out of the default partition. Part of maintain_metric_partitions().';

-- Days begin at midnight UTC.
CREATE OR REPLACE PROCEDURE maintain_metric_partitions(as_of TIMESTAMPTZ)
LANGUAGE plpgsql SET search_path = public, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
  storage metric_storage;
  oldest TIMESTAMPTZ;
  day TIMESTAMPTZ;
  old NAME;
BEGIN
  -- One at a time: the second finds everything done.
  SELECT * INTO storage FROM metric_storage FOR UPDATE;
  oldest := date_trunc('day', as_of - storage.keep);

  FOR day IN
    SELECT date_trunc('day', as_of) + make_interval(days => ahead) FROM generate_series(0, storage.days_ahead) ahead
    UNION
    SELECT date_trunc('day', observed_at) FROM partitions.metrics_default
    WHERE observed_at >= oldest AND observed_at < as_of
    ORDER BY 1
  LOOP
    CONTINUE WHEN to_regclass(to_char(day, '"partitions.metrics_"YYYY_MM_DD')) IS NOT NULL;
    BEGIN
      CALL make_metric_day(day);
    EXCEPTION WHEN lock_not_available THEN
      RAISE WARNING 'the day % and what follows is left for the next run: %', day::date, SQLERRM;
      RETURN;
    END;
  END LOOP;

  FOR old IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'metrics'::regclass AND c.relname ~ '^metrics_[0-9]{4}_[0-9]{2}_[0-9]{2}$'
      AND to_date(right(c.relname, 10), 'YYYY_MM_DD')::timestamptz < oldest
    ORDER BY 1
  LOOP
    BEGIN
      EXECUTE format('ALTER TABLE metrics DETACH PARTITION partitions.%I', old);
      EXECUTE format('DROP TABLE partitions.%I', old);
    EXCEPTION WHEN lock_not_available THEN
      RAISE WARNING '% and what follows is left for the next run: %', old, SQLERRM;
      RETURN;
    END;
  END LOOP;
  DELETE FROM partitions.metrics_default WHERE observed_at < oldest;
END
$$;
COMMENT ON PROCEDURE maintain_metric_partitions IS 'PostgreSQL''s own partitions: makes today and metric_storage.days_ahead more, and deletes days older than metric_storage.keep.';

-- A hypertable makes its days by itself. Compression belongs to the Community Edition, which no other cloud may sell:
-- under the licence "apache" nothing is compressed. Both are done here and not by TimescaleDB's policies: those are of
-- that edition too, and what metric_storage says counts at the next run. The names of before columnstores, because
-- every release of TimescaleDB 2 knows them.
CREATE OR REPLACE PROCEDURE maintain_metric_hypertable(as_of TIMESTAMPTZ)
LANGUAGE plpgsql SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  storage metric_storage;
  compressible BOOLEAN;
BEGIN
  SELECT * INTO storage FROM metric_storage FOR UPDATE;
  EXECUTE 'SELECT drop_chunks(''metrics'', older_than => $1)' USING date_trunc('day', as_of - storage.keep);

  IF current_setting('timescaledb.license', true) IS DISTINCT FROM 'timescale' THEN
    RETURN;
  END IF;
  -- Once: with compressed days there, some releases refuse even the same settings again.
  EXECUTE 'SELECT compression_enabled FROM timescaledb_information.hypertables'
    ' WHERE (hypertable_schema, hypertable_name) = (''public'', ''metrics'')' INTO compressible;
  IF NOT compressible THEN
    EXECUTE 'ALTER TABLE metrics SET (timescaledb.compress, timescaledb.compress_segmentby = ''metric_id, source, labels'','
      ' timescaledb.compress_orderby = ''observed_at'')';
  END IF;
  EXECUTE 'SELECT compress_chunk(chunk, if_not_compressed => true)'
    ' FROM show_chunks(''metrics'', older_than => $1) AS chunk' USING date_trunc('day', as_of - storage.compress_after);
END
$$;
COMMENT ON PROCEDURE maintain_metric_hypertable IS 'TimescaleDB: deletes days older than metric_storage.keep and, where the licence allows, compresses those older than metric_storage.compress_after.';

CREATE OR REPLACE PROCEDURE maintain_metric_storage(as_of TIMESTAMPTZ)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF (SELECT engine FROM metric_storage) = 'timescaledb' THEN
    CALL maintain_metric_hypertable(as_of);
  ELSE
    CALL maintain_metric_partitions(as_of);
  END IF;
END
$$;
COMMENT ON PROCEDURE maintain_metric_storage IS 'What maintain_metrics() does, as if it were another time.';

-- Without a time to name: a moment far ahead would delete every sample.
CREATE OR REPLACE PROCEDURE maintain_metrics()
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  CALL maintain_metric_storage(now());
END
$$;
COMMENT ON PROCEDURE maintain_metrics IS 'Makes room for samples and deletes those older than metric_storage.keep. Run it daily; what is done stays as it is.';

CALL maintain_metrics();
