-- The administrator of the databases, and the tables that tell the server what to hold. Run by the superuser, with
-- search_path = pg_catalog: no name and no operator here is one that somebody made. Can be repeated.
-- verifier: of the administrator's password. sizes: pattern of the settings that may be set.

-- Like a managed cluster's, it is no superuser. Before PostgreSQL 16 whoever may make roles may also join those that run
-- programs as the server; there it has server.login instead.
SELECT 'CREATE ROLE doadmin LOGIN CREATEDB IN ROLE pg_monitor, pg_signal_backend'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'doadmin') \gexec
SELECT format('ALTER ROLE doadmin %s PASSWORD %L',
  CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'NOCREATEROLE' ELSE 'CREATEROLE' END,
  :'verifier') \gexec
-- What it could give itself on an earlier server.
SELECT format('REVOKE %I FROM doadmin', rolname) FROM pg_roles
WHERE rolname ~ '^pg_(execute_server_program|read_server_files|write_server_files)$'
  AND pg_has_role('doadmin', oid, 'MEMBER') \gexec
SELECT 'CREATE DATABASE defaultdb OWNER doadmin'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'defaultdb') \gexec
REVOKE ALL ON DATABASE defaultdb FROM PUBLIC;
\connect defaultdb

-- The tables are the superuser's, so that their checks stay. Those of an earlier server were not: they are made anew.
SELECT 'DROP SCHEMA server CASCADE' FROM pg_namespace
WHERE nspname = 'server' AND pg_get_userbyid(nspowner) <> 'postgres' \gexec
CREATE SCHEMA IF NOT EXISTS server;
CREATE TABLE IF NOT EXISTS server.settings (
  name text PRIMARY KEY CHECK (name ~ :'sizes'),
  value text NOT NULL CHECK (value ~ '^[0-9]{1,9}(kB|MB|GB)?$')
);
CREATE TABLE IF NOT EXISTS server.sources (range cidr PRIMARY KEY CHECK (family(range) = 4));
CREATE TABLE IF NOT EXISTS server.pools (
  name text PRIMARY KEY CHECK (name ~ '^[a-z_][a-z0-9_-]{0,62}$' AND name <> 'pgbouncer'),
  database text NOT NULL CHECK (database ~ '^[a-z_][a-z0-9_]{0,62}$'),
  login text NOT NULL CHECK (login ~ '^[a-z_][a-z0-9_]{0,62}$'),
  mode text NOT NULL CHECK (mode IN ('session', 'transaction', 'statement')),
  size integer NOT NULL CHECK (size BETWEEN 1 AND 10000)
);
-- The next certificate for the key that the server has.
CREATE TABLE IF NOT EXISTS server.certificate (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  certificate text NOT NULL
    CHECK (certificate ~ '^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+\n-----END CERTIFICATE-----\n$')
);
CREATE TABLE IF NOT EXISTS server.state (
  name text PRIMARY KEY,
  at timestamptz NOT NULL,
  ok boolean NOT NULL,
  message text NOT NULL
);
COMMENT ON TABLE server.state IS 'How the last synchronisation and the last dump ended';

-- Makes a login, or gives it another password. The administrator may then grant it; so it is none that reaches further.
CREATE OR REPLACE FUNCTION server.login(name text, verifier text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $function$
BEGIN
  IF name !~ '^[a-z_][a-z0-9_]{0,62}$' OR name ~ '^pg_' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'A login has lower-case letters, digits and _ in its name.';
  ELSIF verifier !~ '^SCRAM-SHA-256[$][0-9]+:[A-Za-z0-9+/=]+[$][A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'A password is given as its SCRAM-SHA-256 verifier.';
  ELSIF EXISTS (
    SELECT FROM pg_roles AS known
    WHERE rolname = name AND (
      rolcreaterole OR rolreplication OR rolbypassrls OR rolname = 'doadmin' OR EXISTS (
        SELECT FROM pg_roles AS powerful
        WHERE (rolsuper OR rolname ~ '^pg_(execute_server_program|read_server_files|write_server_files)$')
          AND pg_has_role(known.oid, powerful.oid, 'MEMBER')
      )
    )
  ) THEN
    RAISE insufficient_privilege USING MESSAGE = 'This role is not one of the administrator''s to change.';
  ELSIF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
    EXECUTE format('CREATE ROLE %I', name);
  END IF;
  EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L', name, verifier);
  EXECUTE format('GRANT %I TO doadmin WITH ADMIN OPTION', name);
END
$function$;
REVOKE ALL ON FUNCTION server.login(text, text) FROM PUBLIC;

GRANT USAGE ON SCHEMA server TO doadmin;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA server TO doadmin;
GRANT EXECUTE ON FUNCTION server.login(text, text) TO doadmin;
