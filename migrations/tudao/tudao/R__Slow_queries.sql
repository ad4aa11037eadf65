-- Queries of this database that ever took more than a second, slowest first, for members of pg_monitor.
-- Made only where the extension is: a server that gets it later needs this file touched.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements') THEN
    RAISE NOTICE 'slow_queries is not created: pg_stat_statements is not installed';
    RETURN;
  END IF;

  CREATE OR REPLACE VIEW slow_queries AS
    SELECT query, calls, max_exec_time, mean_exec_time, total_exec_time, rows
    FROM pg_stat_statements
    WHERE max_exec_time > 1000
      AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY max_exec_time DESC;
  COMMENT ON VIEW slow_queries IS 'Queries that took more than a second at least once; times in milliseconds.';

  GRANT SELECT ON slow_queries TO pg_monitor;
END
$$;
