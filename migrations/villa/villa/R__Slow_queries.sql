-- Queries of this database that take more than 100 ms on average, slowest first, for members of pg_monitor.
-- Made only where the extension is: a server that gets it later needs this file touched.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements') THEN
    RAISE NOTICE 'slow_queries is not created: pg_stat_statements is not installed';
    RETURN;
  END IF;

  CREATE OR REPLACE VIEW slow_queries AS
    SELECT query, calls, mean_exec_time, total_exec_time, rows
    FROM pg_stat_statements
    WHERE mean_exec_time > 100
      AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY mean_exec_time DESC;
  COMMENT ON VIEW slow_queries IS 'Queries above 100 ms on average; times in milliseconds.';

  -- The default privileges of later tables would open it to the application.
  REVOKE ALL ON slow_queries FROM "${app_role}";
  GRANT SELECT ON slow_queries TO pg_monitor;
END
$$;
