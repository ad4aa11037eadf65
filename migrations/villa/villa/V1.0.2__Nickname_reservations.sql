CREATE TABLE nickname_reservations (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  nickname_normalized VARCHAR(32) NOT NULL UNIQUE,
  address VARCHAR(42) NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  created_at TIMESTAMPTZ DEFAULT NOW()
);

COMMENT ON TABLE nickname_reservations IS 'Nicknames held for a short time while their owner signs up.';
COMMENT ON COLUMN nickname_reservations.address IS 'Wallet address the nickname is held for. It need not have a profile yet.';
COMMENT ON COLUMN nickname_reservations.expires_at IS 'When the nickname is free again.';
