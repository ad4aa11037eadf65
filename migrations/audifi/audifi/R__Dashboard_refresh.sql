-- The procedure commits after each view: its row in the log stays whatever follows, and no lock outlives its view.
-- It runs with its caller's rights, because a procedure with those of its owner cannot commit.

CREATE OR REPLACE PROCEDURE refresh_dashboards() LANGUAGE plpgsql AS $$
DECLARE
  dashboard NAME;
  populated BOOLEAN;
  started TIMESTAMPTZ;
  found_rows BIGINT;
BEGIN
  FOR dashboard, populated IN
    SELECT matviewname, ispopulated FROM pg_catalog.pg_matviews WHERE schemaname = 'public' ORDER BY matviewname
  LOOP
    started := clock_timestamp();
    BEGIN
      -- Another refresh of the same view is waited for, but not for ever.
      PERFORM set_config('lock_timeout', '30s', true);
      -- A view without contents cannot be refreshed concurrently, and nobody can be reading it.
      EXECUTE format(
        'REFRESH MATERIALIZED VIEW %s public.%I', CASE WHEN populated THEN 'CONCURRENTLY' ELSE '' END, dashboard);
      EXECUTE format('SELECT count(*) FROM public.%I', dashboard) INTO found_rows;
      INSERT INTO public.dashboard_refreshes (view_name, started_at, duration, rows)
      VALUES (dashboard, started, clock_timestamp() - started, found_rows);
    EXCEPTION WHEN OTHERS THEN
      INSERT INTO public.dashboard_refreshes (view_name, started_at, duration, error_code, error)
      VALUES (dashboard, started, clock_timestamp() - started, SQLSTATE, SQLERRM);
    END;
    COMMIT;
  END LOOP;
END
$$;
COMMENT ON PROCEDURE refresh_dashboards IS
  'Refreshes every materialized view while it is read, and logs each in dashboard_refreshes. A view that fails keeps its old contents and does not stop the others. Call it outside a transaction.';
