CREATE TABLE builds (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  project_id UUID NOT NULL,
  registry_id UUID NOT NULL,
  commit_sha TEXT NOT NULL CHECK (commit_sha ~ '^([0-9a-f]{40}|[0-9a-f]{64})$'),
  image_repository TEXT NOT NULL CHECK (image_repository ~ '^[a-z0-9]+([._/-]+[a-z0-9]+)*$'),
  image_digest TEXT CHECK (image_digest ~ '^sha256:[0-9a-f]{64}$'),
  status TEXT NOT NULL DEFAULT 'queued'
    CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  started_at TIMESTAMPTZ,
  finished_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (registry_id, project_id) REFERENCES container_registries (id, project_id),
  CONSTRAINT builds_success_has_image CHECK ((status = 'succeeded') = (image_digest IS NOT NULL))
);
COMMENT ON TABLE builds IS 'Images made from a project''s commits, in a registry of that project.';
COMMENT ON COLUMN builds.image_digest IS 'What was pushed. A digest and no tag: a tag can be moved.';
CREATE INDEX builds_project_id_idx ON builds (project_id, created_at);
CREATE INDEX builds_registry_id_idx ON builds (registry_id);
CREATE INDEX builds_commit_sha_idx ON builds (commit_sha);
CREATE INDEX builds_unfinished_idx ON builds (created_at) WHERE status IN ('queued', 'running');
CREATE TRIGGER builds_updated_at BEFORE UPDATE ON builds FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CALL track_status('builds');
