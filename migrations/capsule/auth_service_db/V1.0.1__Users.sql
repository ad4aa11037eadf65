CREATE TABLE users (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  email CITEXT NOT NULL UNIQUE CHECK (email LIKE '%_@_%' AND length(email) <= 254),
  display_name TEXT CHECK (length(display_name) BETWEEN 1 AND 120),
  password_hash TEXT CHECK (password_hash LIKE '$argon2id$%' OR password_hash ~ '^\$2[aby]\$[0-9]{2}\$.{53}$'),
  status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'active', 'locked', 'closed')),
  email_verified_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE users IS 'Who has an account. Personal data.';
COMMENT ON COLUMN users.email IS 'Compared without regard to case, kept as written.';
COMMENT ON COLUMN users.password_hash IS 'argon2id or bcrypt, in the spelling that says so; null where the person signs in through an identity only.';
COMMENT ON COLUMN users.status IS 'pending: the address is not verified. locked: by us, can be undone. closed: by the person.';
CREATE TRIGGER users_updated_at BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE user_roles (
  user_id UUID NOT NULL REFERENCES users ON DELETE CASCADE,
  role TEXT NOT NULL CHECK (role IN ('admin', 'developer', 'billing', 'viewer')),
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (user_id, role)
);
COMMENT ON TABLE user_roles IS 'What a person may do on the platform. No row: nothing but their own account.';
CREATE INDEX user_roles_role_idx ON user_roles (role);
CREATE TRIGGER user_roles_updated_at BEFORE UPDATE ON user_roles FOR EACH ROW EXECUTE FUNCTION set_updated_at();
