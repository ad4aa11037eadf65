-- What every service of Capsule starts with; the four databases have this file word for word.

-- All three are trusted: whoever may create in the database may create them.
CREATE EXTENSION IF NOT EXISTS "uuid-ossp";
CREATE EXTENSION IF NOT EXISTS pgcrypto;
CREATE EXTENSION IF NOT EXISTS citext;

-- A routine is nobody's until R__Grants.sql names who may run it. PostgreSQL would let everybody.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC;

CREATE FUNCTION set_updated_at() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at = CURRENT_TIMESTAMP;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION set_updated_at IS 'Trigger of the tables with a column updated_at.';

CREATE FUNCTION refuse_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'restrict_violation', HINT = 'Correct a wrong row with a new one.';
END
$$;
COMMENT ON FUNCTION refuse_change IS 'Trigger of append-only tables. It stops their owner too, whom no missing grant stops.';

CREATE TABLE service_configuration (
  only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
  service NAME NOT NULL,
  settings JSONB NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
  runtime JSONB NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(runtime) = 'object'),
  initialized_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE service_configuration IS 'The service''s configuration: one row, and there can be no second.';
COMMENT ON COLUMN service_configuration.settings IS 'Settings that belong to a release: migrations change them, the service reads them.';
COMMENT ON COLUMN service_configuration.runtime IS 'Settings that the service changes while it runs.';
COMMENT ON COLUMN service_configuration.initialized_at IS 'When the schema was first made.';
CREATE TRIGGER service_configuration_updated_at BEFORE UPDATE ON service_configuration
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
INSERT INTO service_configuration (service) VALUES (current_database());

-- The version is read from the migration history: a copy in the table above could differ from it.
CREATE VIEW service_information AS
  SELECT c.service, h.version AS schema_version, h.installed_on AS schema_installed_on,
    c.settings, c.runtime, c.initialized_at
  FROM service_configuration c
  LEFT JOIN LATERAL (
    SELECT version, installed_on FROM "${flyway:table}" WHERE success AND version IS NOT NULL
    ORDER BY installed_rank DESC LIMIT 1
  ) h ON true;
COMMENT ON VIEW service_information IS 'The configuration and the version of the schema, for the service and its health check.';
