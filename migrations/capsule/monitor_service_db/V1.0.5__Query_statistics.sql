-- Statistics of queries are good to have and nothing depends on them: a server without the library, or one that lets
-- only its superuser create the extension, goes on without.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements') THEN
    CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
  ELSE
    RAISE NOTICE 'pg_stat_statements is not available on this server';
  END IF;
EXCEPTION
  WHEN insufficient_privilege THEN
    RAISE NOTICE 'pg_stat_statements is not created: % may not', current_user;
END
$$;
