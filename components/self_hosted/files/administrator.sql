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
-- The two logins of a role that has been given another password while in use, and whether its pools let each in. A role
-- that is not here is its own and only login.
CREATE TABLE IF NOT EXISTS server.logins (
  login text PRIMARY KEY,
  role text NOT NULL CHECK (role ~ '^[a-z_][a-z0-9_]{0,60}$'),
  admitted boolean NOT NULL,
  CHECK (login IN (role, role || '_2'))
);
-- The last change of these tables, and whether the server has carried it out.
CREATE TABLE IF NOT EXISTS server.change (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  stamp text NOT NULL,
  carried_out boolean NOT NULL
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

-- Refuses every name but that of a login of the administrator's, or of one to be. It may grant those; so there is none
-- among them that reaches further.
CREATE OR REPLACE FUNCTION server.refuse(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $function$
BEGIN
  IF name !~ '^[a-z_][a-z0-9_]{0,62}$' OR name ~ '^pg_' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'A login has lower-case letters, digits and _ in its name.';
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
  END IF;
END
$function$;

-- Makes a login, or gives it another password.
CREATE OR REPLACE FUNCTION server.login(name text, verifier text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $function$
BEGIN
  PERFORM server.refuse(name);
  IF verifier !~ '^SCRAM-SHA-256[$][0-9]+:[A-Za-z0-9+/=]+[$][A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'A password is given as its SCRAM-SHA-256 verifier.';
  ELSIF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
    EXECUTE format('CREATE ROLE %I', name);
  END IF;
  EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L', name, verifier);
  EXECUTE format('GRANT %I TO doadmin WITH ADMIN OPTION', name);
END
$function$;

-- Makes a role's second login, which is called as this says and no other way, the role from its first statement on, with
-- the role's settings. It owns nothing.
CREATE OR REPLACE FUNCTION server.join(role text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $function$
DECLARE
  login text := role || '_2';
BEGIN
  PERFORM server.refuse(one) FROM unnest(ARRAY[role, login]) AS one;
  EXECUTE format('GRANT %I TO %I', role, login);
  -- As they stand: to set each anew, the superuser would have to work under what somebody chose, and what runs as its
  -- definer may not set a role at all. The last setting of a name counts.
  DELETE FROM pg_db_role_setting WHERE setrole = login::regrole;
  INSERT INTO pg_db_role_setting (setdatabase, setrole, setconfig)
    SELECT setdatabase, login::regrole, setconfig FROM pg_db_role_setting
      WHERE setrole = role::regrole AND setdatabase <> 0
    UNION ALL SELECT 0, login::regrole, array_append(max(setconfig), 'role=' || role) FROM pg_db_role_setting
      WHERE setrole = role::regrole AND setdatabase = 0;
END
$function$;
REVOKE ALL ON FUNCTION server.refuse(text), server.login(text, text), server.join(text) FROM PUBLIC;

GRANT USAGE ON SCHEMA server TO doadmin;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA server TO doadmin;
GRANT EXECUTE ON FUNCTION server.login(text, text), server.join(text) TO doadmin;
