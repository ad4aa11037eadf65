CREATE TABLE environments (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  project_id UUID NOT NULL,
  name TEXT NOT NULL CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  kind TEXT NOT NULL CHECK (kind IN ('development', 'preview', 'staging', 'production')),
  configuration JSONB NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(configuration) = 'object'),
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE (project_id, name),
  UNIQUE (id, project_id)
);
COMMENT ON TABLE environments IS 'Where a project is deployed to.';
COMMENT ON COLUMN environments.configuration IS 'Values of the environment. No secrets: names of secrets.';
CREATE TRIGGER environments_updated_at BEFORE UPDATE ON environments FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE container_registries (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  project_id UUID NOT NULL,
  name TEXT NOT NULL CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  host TEXT NOT NULL CHECK (host ~ '^[a-z0-9.-]+(:[0-9]+)?$'),
  credentials_name TEXT,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE (project_id, name),
  UNIQUE (id, project_id)
);
COMMENT ON TABLE container_registries IS 'Where a project''s images are kept.';
COMMENT ON COLUMN container_registries.credentials_name IS 'Name of the credentials in the secret store; null for a public registry. Never the credentials.';
CREATE TRIGGER container_registries_updated_at BEFORE UPDATE ON container_registries
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
