-- No foreign key: what happened stays on record when whom it tells of is gone.
CREATE TABLE security_audit_log (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  user_id UUID,
  event TEXT NOT NULL CHECK (event ~ '^[a-z][a-z0-9_.]*$'),
  outcome TEXT NOT NULL CHECK (outcome IN ('success', 'failure')),
  ip_address INET,
  user_agent TEXT,
  details JSONB,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE security_audit_log IS 'Sign-ins, changes of passwords and roles, and their like. Append-only. Personal data.';
COMMENT ON COLUMN security_audit_log.user_id IS 'Null where nobody is known, as for a sign-in with a wrong address.';
CREATE INDEX security_audit_log_user_id_idx ON security_audit_log (user_id, created_at);
CREATE INDEX security_audit_log_event_idx ON security_audit_log (event, created_at);
CREATE INDEX security_audit_log_failures_idx ON security_audit_log (ip_address, created_at) WHERE outcome = 'failure';
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON security_audit_log
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON security_audit_log EXECUTE FUNCTION refuse_change();
