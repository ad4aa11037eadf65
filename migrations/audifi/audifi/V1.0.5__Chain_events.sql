-- Why a ledger of keys: an event is told by (chain_id, tx_hash, log_index), but a unique constraint on a partitioned
-- table must hold the partition key, so the event tables can only have (…, block_time) unique. The same event with
-- another time, or of a month that was detached meanwhile, would be stored twice. The ledger is not partitioned and
-- never shrinks: its primary key is the idempotency, across months and across the three tables.

CREATE TABLE chain_event_keys (
  chain_id BIGINT NOT NULL CHECK (chain_id > 0),
  tx_hash tx_hash NOT NULL,
  log_index INTEGER NOT NULL CHECK (log_index >= 0),
  event_table NAME NOT NULL,
  block_time TIMESTAMPTZ NOT NULL,
  digest BYTEA NOT NULL,
  ingested_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (chain_id, tx_hash, log_index)
);
COMMENT ON TABLE chain_event_keys IS 'Which chain events are stored. Append-only; only ingest_chain_events() writes it, in the statement that stores the events.';
COMMENT ON COLUMN chain_event_keys.block_time IS 'Leads to the partition that holds the event.';
COMMENT ON COLUMN chain_event_keys.digest IS 'SHA-256 of the event, so that a repeated event is told from another one under the same key.';
CALL make_append_only('chain_event_keys');
