CREATE TABLE deployments (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  environment_id UUID NOT NULL REFERENCES environments,
  build_id UUID NOT NULL REFERENCES builds,
  deployed_by UUID,
  status TEXT NOT NULL DEFAULT 'queued'
    CHECK (status IN ('queued', 'deploying', 'live', 'failed', 'cancelled', 'superseded', 'rolled_back')),
  started_at TIMESTAMPTZ,
  finished_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE deployments IS 'Which build went to which environment, and what became of it.';
COMMENT ON COLUMN deployments.deployed_by IS 'The user of the auth service; null for the platform itself.';
COMMENT ON COLUMN deployments.status IS 'superseded: another build took its place. rolled_back: an older one did.';
CREATE UNIQUE INDEX deployments_one_live_key ON deployments (environment_id) WHERE status = 'live';
CREATE UNIQUE INDEX deployments_one_at_a_time_key ON deployments (environment_id) WHERE status = 'deploying';
CREATE INDEX deployments_environment_id_idx ON deployments (environment_id, created_at);
CREATE INDEX deployments_build_id_idx ON deployments (build_id);
CREATE INDEX deployments_unfinished_idx ON deployments (created_at) WHERE status IN ('queued', 'deploying');
CREATE TRIGGER deployments_updated_at BEFORE UPDATE ON deployments FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CALL track_status('deployments');

-- A build's success is final, so what holds at the insert holds ever after.
CREATE FUNCTION check_deployable() RETURNS TRIGGER LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM builds b JOIN environments e ON e.id = NEW.environment_id AND e.project_id = b.project_id
    WHERE b.id = NEW.build_id AND b.status = 'succeeded'
  ) THEN
    RAISE EXCEPTION 'build % cannot go to environment %: it has not succeeded, or is of another project',
      NEW.build_id, NEW.environment_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION check_deployable IS 'Trigger of deployments: only a build that succeeded, and only to an environment of its project.';
CREATE TRIGGER deployments_deployable BEFORE INSERT OR UPDATE OF build_id, environment_id ON deployments
  FOR EACH ROW EXECUTE FUNCTION check_deployable();
