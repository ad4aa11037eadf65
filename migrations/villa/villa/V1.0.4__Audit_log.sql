CREATE TABLE audit_log (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  address VARCHAR(42),
  action VARCHAR(50) NOT NULL,
  details JSONB,
  ip_address INET,
  created_at TIMESTAMPTZ DEFAULT NOW()
);

COMMENT ON TABLE audit_log IS 'What happened, for debugging and compliance. Append-only: the application may insert and read, nothing else.';
COMMENT ON COLUMN audit_log.address IS 'Wallet address of who acted; null for the system itself.';
