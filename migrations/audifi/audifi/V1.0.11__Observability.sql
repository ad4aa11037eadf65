-- No foreign keys: what happened stays on record when whom it tells of is gone.

CREATE TABLE audit_logs (
  id UUID NOT NULL DEFAULT gen_random_uuid(),
  user_id UUID,
  action TEXT NOT NULL,
  entity TEXT,
  entity_id TEXT,
  details JSONB,
  ip_address INET,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
COMMENT ON TABLE audit_logs IS 'Who did what. Append-only: the application may insert, nothing else. Personal data.';
COMMENT ON COLUMN audit_logs.user_id IS 'Null for the system itself.';
CREATE INDEX audit_logs_user_id_idx ON audit_logs (user_id, created_at);
CREATE INDEX audit_logs_entity_idx ON audit_logs (entity, entity_id, created_at);
CALL make_event_table('audit_logs', 'created_at', 24);

CREATE TABLE security_events (
  id UUID NOT NULL DEFAULT gen_random_uuid(),
  kind TEXT NOT NULL,
  severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
  user_id UUID,
  ip_address INET,
  details JSONB,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
COMMENT ON TABLE security_events IS 'Failed sign-ins, refused requests and their like. Append-only: the application may insert, nothing else. Personal data.';
CREATE INDEX security_events_user_id_idx ON security_events (user_id, created_at);
CREATE INDEX security_events_severity_idx ON security_events (severity, created_at);
CALL make_event_table('security_events', 'created_at', 24);
