-- What the service ${app_role} may do. It works on rows; it neither creates nor drops anything. The databases may stand
-- in one cluster, where each service's role exists for all of them: so nobody connects here but this one.

REVOKE CONNECT, TEMPORARY ON DATABASE "${flyway:database}" FROM PUBLIC;
GRANT CONNECT ON DATABASE "${flyway:database}" TO "${app_role}";
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM "${app_role}";
GRANT USAGE ON SCHEMA public TO "${app_role}";

-- Rows of the tables there are now, those of extensions excepted. From nothing on each run, so that a line taken out
-- below is a right taken away.
DO $$
DECLARE
  relation REGCLASS;
BEGIN
  FOR relation IN
    SELECT c.oid FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
  LOOP
    EXECUTE format('REVOKE ALL ON %s FROM %I', relation, '${app_role}');
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', relation, '${app_role}');
  END LOOP;
END
$$;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO "${app_role}";

-- Those of later migrations.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "${app_role}";
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO "${app_role}";

REVOKE ALL ON "${flyway:table}" FROM "${app_role}";
REVOKE INSERT, UPDATE, DELETE ON service_configuration, service_information FROM "${app_role}";
GRANT UPDATE (runtime) ON service_configuration TO "${app_role}";

-- A sample is written once; maintain_metrics() takes out the old ones.
REVOKE UPDATE, DELETE ON metrics FROM "${app_role}";
REVOKE INSERT, UPDATE, DELETE ON metric_storage, threshold_breaches FROM "${app_role}";
GRANT EXECUTE ON PROCEDURE maintain_metrics TO "${app_role}";
