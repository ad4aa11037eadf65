CREATE TABLE ens_registrations (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  address VARCHAR(42) NOT NULL UNIQUE,
  ens_name VARCHAR(255) NOT NULL,
  chain_id INTEGER NOT NULL,
  tx_hash VARCHAR(66),
  registered_at TIMESTAMPTZ DEFAULT NOW(),
  expires_at TIMESTAMPTZ
);

COMMENT ON TABLE ens_registrations IS 'Names registered on chain with the Ethereum Name Service.';
COMMENT ON COLUMN ens_registrations.chain_id IS 'EIP-155 number of the chain.';
COMMENT ON COLUMN ens_registrations.tx_hash IS 'Transaction of the registration, 0x and 64 hexadecimal digits; null until it is sent.';
