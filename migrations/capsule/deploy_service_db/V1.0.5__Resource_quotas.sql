CREATE TABLE resource_quotas (
  project_id UUID NOT NULL,
  resource TEXT NOT NULL CHECK (resource IN ('cpu_millicores', 'memory_mib', 'storage_mib', 'replicas')),
  allowed BIGINT NOT NULL CHECK (allowed >= 0),
  used BIGINT NOT NULL DEFAULT 0 CHECK (used >= 0),
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (project_id, resource),
  CONSTRAINT resource_quotas_kept CHECK (used <= allowed)
);
COMMENT ON TABLE resource_quotas IS 'How much of a resource a project may have. No row: none of it.';
COMMENT ON COLUMN resource_quotas.used IS 'The sum of resource_allocations, which their trigger keeps.';
CREATE TRIGGER resource_quotas_updated_at BEFORE UPDATE ON resource_quotas
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE resource_allocations (
  environment_id UUID NOT NULL,
  project_id UUID NOT NULL,
  resource TEXT NOT NULL,
  quantity BIGINT NOT NULL CHECK (quantity > 0),
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (environment_id, resource),
  FOREIGN KEY (environment_id, project_id) REFERENCES environments (id, project_id) ON DELETE CASCADE,
  FOREIGN KEY (project_id, resource) REFERENCES resource_quotas
);
COMMENT ON TABLE resource_allocations IS 'What an environment has of its project''s quota.';
CREATE INDEX resource_allocations_quota_idx ON resource_allocations (project_id, resource);
CREATE TRIGGER resource_allocations_updated_at BEFORE UPDATE ON resource_allocations
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();

-- Two that allocate at once wait for each other at the quota's row, so together they cannot pass the limit either.
CREATE FUNCTION count_allocation() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    UPDATE resource_quotas SET used = used - OLD.quantity
    WHERE project_id = OLD.project_id AND resource = OLD.resource;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    UPDATE resource_quotas SET used = used + NEW.quantity
    WHERE project_id = NEW.project_id AND resource = NEW.resource;
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION count_allocation IS 'Trigger of resource_allocations: keeps resource_quotas.used, whose check refuses what is too much.';
CREATE TRIGGER resource_allocations_count AFTER INSERT OR UPDATE OR DELETE ON resource_allocations
  FOR EACH ROW EXECUTE FUNCTION count_allocation();
