-- What the tables of every domain share. Keys are UUIDs of gen_random_uuid(), which needs no extension.

-- A routine is nobody's until R__Grants.sql names who may run it. PostgreSQL would let everybody.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC;

CREATE SCHEMA partitions;
COMMENT ON SCHEMA partitions IS 'Months of the event tables. Queries and inserts name the table in public, never a month.';
CREATE SCHEMA archive;
COMMENT ON SCHEMA archive IS 'Months that detach_old_partitions() took out of the event tables. No role of the application reads it.';

-- NaN needs a check of its own: PostgreSQL sorts it above every number, so it passes VALUE >= 0.
CREATE DOMAIN token_amount AS NUMERIC(78, 0)
  CONSTRAINT token_amount_not_negative CHECK (VALUE >= 0)
  CONSTRAINT token_amount_is_a_number CHECK (VALUE <> 'NaN');
COMMENT ON DOMAIN token_amount IS 'Amount of a token in its smallest unit. 78 digits hold every uint256.';

CREATE DOMAIN token_id AS NUMERIC(78, 0)
  CONSTRAINT token_id_not_negative CHECK (VALUE >= 0)
  CONSTRAINT token_id_is_a_number CHECK (VALUE <> 'NaN');
COMMENT ON DOMAIN token_id IS 'Number of an NFT in its contract, a uint256.';

-- One spelling only: a hash in other letters would be another key, and its event would count twice.
CREATE DOMAIN evm_address AS TEXT CONSTRAINT evm_address_spelling CHECK (VALUE ~ '^0x[0-9a-f]{40}$');
COMMENT ON DOMAIN evm_address IS 'Address of an account or contract: 0x and 40 hexadecimal digits, small letters.';
CREATE DOMAIN tx_hash AS TEXT CONSTRAINT tx_hash_spelling CHECK (VALUE ~ '^0x[0-9a-f]{64}$');
COMMENT ON DOMAIN tx_hash IS 'Hash of a transaction: 0x and 64 hexadecimal digits, small letters.';

CREATE DOMAIN fiat_amount AS BIGINT CONSTRAINT fiat_amount_not_negative CHECK (VALUE >= 0);
COMMENT ON DOMAIN fiat_amount IS 'Money in the smallest unit of its currency, such as cents.';
CREATE DOMAIN currency AS TEXT CONSTRAINT currency_spelling CHECK (VALUE ~ '^[A-Z]{3}$');
COMMENT ON DOMAIN currency IS 'ISO 4217 code of a currency.';

CREATE DOMAIN basis_points AS INTEGER CONSTRAINT basis_points_range CHECK (VALUE BETWEEN 0 AND 10000);
COMMENT ON DOMAIN basis_points IS 'Share of a whole in hundredths of a percent.';

CREATE FUNCTION set_updated_at() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at = now();
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION set_updated_at IS 'Trigger of the tables with a column updated_at.';
