-- No token of a provider is kept: the service asks for an identity and then needs the provider no more.
CREATE TABLE oauth_identities (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  user_id UUID NOT NULL REFERENCES users ON DELETE CASCADE,
  provider TEXT NOT NULL CHECK (provider ~ '^[a-z][a-z0-9_]*$'),
  subject TEXT NOT NULL CHECK (subject <> ''),
  email CITEXT,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE (provider, subject),
  UNIQUE (user_id, provider)
);
COMMENT ON TABLE oauth_identities IS 'Accounts at other providers that a person signs in with, one a provider. Personal data.';
COMMENT ON COLUMN oauth_identities.subject IS 'The provider''s own identifier of the person, which never changes. An address may.';
CREATE TRIGGER oauth_identities_updated_at BEFORE UPDATE ON oauth_identities
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
