-- idx_profiles_address and idx_profiles_nickname repeat what the UNIQUE constraints of their columns already index.
-- They are kept because queries and dashboards know them by name; the tables are new here, so building them is free.
CREATE INDEX idx_profiles_address ON profiles (address);
CREATE INDEX idx_profiles_nickname ON profiles (nickname_normalized);
CREATE INDEX idx_reservations_expires ON nickname_reservations (expires_at);
CREATE INDEX idx_audit_address ON audit_log (address);
CREATE INDEX idx_audit_created ON audit_log (created_at);
