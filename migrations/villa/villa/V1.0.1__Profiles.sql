CREATE TABLE profiles (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  address VARCHAR(42) NOT NULL UNIQUE,
  nickname VARCHAR(32) UNIQUE,
  nickname_normalized VARCHAR(32) UNIQUE,
  avatar_style VARCHAR(20) DEFAULT 'bottts',
  avatar_seed VARCHAR(64),
  avatar_gender VARCHAR(10),
  created_at TIMESTAMPTZ DEFAULT NOW(),
  updated_at TIMESTAMPTZ DEFAULT NOW()
);

COMMENT ON TABLE profiles IS 'One row per person: the main identity store.';
COMMENT ON COLUMN profiles.address IS 'Wallet address, 0x and 40 hexadecimal digits.';
COMMENT ON COLUMN profiles.nickname IS 'As its owner writes it.';
COMMENT ON COLUMN profiles.nickname_normalized IS 'As nicknames are compared, so that two that look alike cannot both be taken.';
COMMENT ON COLUMN profiles.updated_at IS 'Set by the trigger profiles_updated_at on every update.';
