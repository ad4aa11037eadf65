-- What the application ${app_role} and the analysts' role ${analytics_role} may do. Nothing is granted by default: a
-- later table is named here.

GRANT CONNECT ON DATABASE "${flyway:database}" TO "${app_role}", "${analytics_role}";
REVOKE TEMPORARY ON DATABASE "${flyway:database}" FROM PUBLIC;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM "${app_role}", "${analytics_role}";
GRANT USAGE ON SCHEMA public TO "${app_role}", "${analytics_role}";

-- No DELETE: a buyer who leaves gets the status refunded.
GRANT SELECT, INSERT, UPDATE ON buyers TO "${app_role}";

GRANT SELECT ON buyers, buyers_archive, archive_runs, expired_wires, purged_buyers TO "${analytics_role}";

-- The grants are what keeps analysts from writing; this makes their sessions say so before they try. Only who administers
-- the role may set it, and not every server lets the owner of the database do that.
DO $$
BEGIN
  ALTER ROLE "${analytics_role}" IN DATABASE "${flyway:database}" SET default_transaction_read_only = on;
EXCEPTION
  WHEN insufficient_privilege THEN
    RAISE NOTICE 'sessions of ${analytics_role} do not start read-only: % may not change that role', current_user;
END
$$;
