-- What the application's role ${app_role} may do. It works on rows; it neither creates nor drops anything.

GRANT CONNECT ON DATABASE "${flyway:database}" TO "${app_role}";
REVOKE TEMPORARY ON DATABASE "${flyway:database}" FROM PUBLIC;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM "${app_role}";
GRANT USAGE ON SCHEMA public TO "${app_role}";

-- Tables and views there are now: all but those of extensions, the migration history and the view for operators.
DO $$
DECLARE
  relation regclass;
BEGIN
  FOR relation IN
    SELECT c.oid
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace
      AND c.relkind IN ('r', 'p', 'v', 'm')
      AND c.relname NOT IN ('${flyway:table}', 'slow_queries')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
  LOOP
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', relation, '${app_role}');
  END LOOP;
END
$$;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO "${app_role}";

-- Tables and sequences of later migrations.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "${app_role}";
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO "${app_role}";

-- The audit log is append-only.
REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM "${app_role}";
