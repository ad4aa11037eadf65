CREATE TABLE chain_nft_events (
  chain_id BIGINT NOT NULL,
  block_number BIGINT NOT NULL CHECK (block_number >= 0),
  block_time TIMESTAMPTZ NOT NULL,
  tx_hash tx_hash NOT NULL,
  log_index INTEGER NOT NULL,
  contract evm_address NOT NULL,
  event TEXT NOT NULL CHECK (event IN ('mint', 'transfer', 'burn')),
  token_id token_id NOT NULL,
  from_address evm_address NOT NULL,
  to_address evm_address NOT NULL,
  log JSONB,
  PRIMARY KEY (chain_id, tx_hash, log_index, block_time)
) PARTITION BY RANGE (block_time);
COMMENT ON TABLE chain_nft_events IS 'Raw events of Master NFTs. Append-only; ingest_chain_events() writes it.';
COMMENT ON COLUMN chain_nft_events.log IS 'The log entry as the node gave it.';
CREATE INDEX chain_nft_events_token_idx ON chain_nft_events (contract, token_id, block_time);
CREATE INDEX chain_nft_events_block_idx ON chain_nft_events (chain_id, block_number);
CALL make_event_table('chain_nft_events', 'block_time');

CREATE TABLE master_nfts (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  master_id UUID NOT NULL REFERENCES masters,
  contract_id UUID NOT NULL REFERENCES contracts,
  token_id token_id NOT NULL,
  metadata_uri TEXT,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  UNIQUE (contract_id, token_id)
);
COMMENT ON TABLE master_nfts IS 'NFTs that stand for a share in a master.';
CREATE INDEX master_nfts_master_id_idx ON master_nfts (master_id);

CREATE TABLE nft_ownership (
  chain_id BIGINT NOT NULL,
  contract evm_address NOT NULL,
  token_id token_id NOT NULL,
  owner evm_address,
  since TIMESTAMPTZ NOT NULL,
  block_number BIGINT NOT NULL,
  log_index INTEGER NOT NULL,
  PRIMARY KEY (chain_id, contract, token_id)
);
COMMENT ON TABLE nft_ownership IS 'Who owns an NFT now: the state that the raw events lead to. Personal data: addresses.';
COMMENT ON COLUMN nft_ownership.owner IS 'Null once the NFT is burnt.';
COMMENT ON COLUMN nft_ownership.block_number IS 'Place in the chain, with log_index, of the event that led here. An older event changes nothing.';
CREATE INDEX nft_ownership_owner_idx ON nft_ownership (owner);

-- Ordering by place in the chain makes the state independent of the order in which batches arrive.
CREATE FUNCTION project_nft_ownership() RETURNS TRIGGER LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO nft_ownership AS known (chain_id, contract, token_id, owner, since, block_number, log_index)
  SELECT DISTINCT ON (chain_id, contract, token_id)
    chain_id, contract, token_id, CASE WHEN event <> 'burn' THEN to_address END, block_time, block_number, log_index
  FROM added
  ORDER BY chain_id, contract, token_id, block_number DESC, log_index DESC
  ON CONFLICT (chain_id, contract, token_id) DO UPDATE
  SET owner = excluded.owner, since = excluded.since,
      block_number = excluded.block_number, log_index = excluded.log_index
  WHERE (excluded.block_number, excluded.log_index) > (known.block_number, known.log_index);
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION project_nft_ownership IS 'Trigger that brings nft_ownership up to the raw events of the statement.';
CREATE TRIGGER chain_nft_events_ownership AFTER INSERT ON chain_nft_events
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION project_nft_ownership();

CREATE VIEW nft_transfers AS
  SELECT nft.id AS nft_id, nft.master_id, happened.event, happened.token_id, happened.from_address,
    happened.to_address, happened.block_time AS transferred_at, happened.tx_hash, happened.log_index
  FROM chain_nft_events happened
  JOIN contracts contract ON contract.chain_id = happened.chain_id AND contract.address = happened.contract
  JOIN master_nfts nft ON nft.contract_id = contract.id AND nft.token_id = happened.token_id;
COMMENT ON VIEW nft_transfers IS 'History of the NFTs that the product knows. Personal data: addresses.';
