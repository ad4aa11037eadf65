CREATE TABLE users (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  email TEXT CHECK (email LIKE '%_@_%' AND length(email) <= 254),
  display_name TEXT NOT NULL CHECK (length(display_name) BETWEEN 1 AND 80),
  status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'closed')),
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE users IS 'One row per person. Personal data.';
COMMENT ON COLUMN users.email IS 'Null for who signed up with a wallet alone.';
CREATE UNIQUE INDEX users_email_key ON users (lower(email));
CREATE TRIGGER users_updated_at BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE accounts (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id UUID NOT NULL REFERENCES users ON DELETE CASCADE,
  provider TEXT NOT NULL,
  subject TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  UNIQUE (provider, subject)
);
COMMENT ON TABLE accounts IS 'Ways a person signs in. Personal data.';
COMMENT ON COLUMN accounts.subject IS 'Who the person is to the provider.';
CREATE INDEX accounts_user_id_idx ON accounts (user_id);

CREATE TABLE user_wallets (
  address evm_address PRIMARY KEY,
  user_id UUID NOT NULL REFERENCES users ON DELETE CASCADE,
  is_primary BOOLEAN NOT NULL DEFAULT false,
  verified_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE user_wallets IS 'Addresses a person has shown to control. Personal data: it joins an address to a person.';
CREATE INDEX user_wallets_user_id_idx ON user_wallets (user_id);
CREATE UNIQUE INDEX user_wallets_primary_key ON user_wallets (user_id) WHERE is_primary;

CREATE TABLE roles (
  name TEXT PRIMARY KEY,
  description TEXT NOT NULL
);
COMMENT ON TABLE roles IS 'Roles a person can have in the product. They are not roles of the database.';
INSERT INTO roles (name, description) VALUES
  ('fan', 'Holds Master NFTs and artist coins, votes in V Studio'),
  ('artist', 'Offers masters and hosts V Studio sessions'),
  ('producer', 'Has a share in masters'),
  ('admin', 'Runs the product');

CREATE TABLE user_roles (
  user_id UUID NOT NULL REFERENCES users ON DELETE CASCADE,
  role TEXT NOT NULL REFERENCES roles,
  granted_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, role)
);
COMMENT ON TABLE user_roles IS 'Who has which role. Personal data.';
CREATE INDEX user_roles_role_idx ON user_roles (role);
