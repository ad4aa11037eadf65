-- The one way into the raw event tables. It runs as its owner, so that the indexer needs no grant on a table and
-- cannot write past the ledger of keys.

CREATE OR REPLACE FUNCTION ingest_chain_events(
  event_table NAME, batch JSONB, OUT stored BIGINT, OUT repeated BIGINT
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  asked TEXT;
  bad RECORD;
BEGIN
  IF event_table NOT LIKE 'chain\_%' OR NOT EXISTS (SELECT FROM event_tables t WHERE t.table_name = event_table) THEN
    RAISE EXCEPTION '% is no table of chain events', event_table USING ERRCODE = 'invalid_parameter_value',
      HINT = 'Allowed: chain_nft_events, chain_revenue_events, chain_coin_events.';
  END IF;
  IF jsonb_typeof(batch) IS DISTINCT FROM 'array' THEN
    RAISE EXCEPTION 'a batch is a JSON array of events' USING ERRCODE = 'invalid_parameter_value';
  END IF;

  -- NUMERIC(78,0) would round a fraction without a word.
  SELECT field.key, field.value INTO bad
  FROM jsonb_array_elements(batch) event, jsonb_each_text(event) field
  WHERE field.key IN ('amount', 'token_id') AND field.value !~ '^[0-9]{1,78}$'
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '% is %: a whole number of 1 to 78 digits is allowed', bad.key, bad.value
      USING ERRCODE = 'numeric_value_out_of_range', HINT = 'Nothing of the batch was stored.';
  END IF;

  -- Two nodes may write the log entry differently, so it is no part of what makes an event the same. Nulls are left
  -- out, so that a column added later does not change the digest of an event stored before.
  asked := format(
    $sql$
      SELECT e AS event, e.chain_id, e.tx_hash, e.log_index, e.block_time,
        sha256(convert_to(jsonb_strip_nulls(to_jsonb(e) - 'log')::text, 'UTF8')) AS digest
      FROM jsonb_populate_recordset(NULL::public.%1$I, $1) e
    $sql$, event_table);

  -- Keys in order, so that two batches with the same events wait for each other and do not deadlock. Whoever waited
  -- for a key finds it taken and stores nothing under it.
  EXECUTE format(
    $sql$
      WITH asked AS MATERIALIZED (
        SELECT DISTINCT ON (chain_id, tx_hash, log_index) * FROM (%2$s) every ORDER BY chain_id, tx_hash, log_index
      ), taken AS (
        INSERT INTO chain_event_keys (chain_id, tx_hash, log_index, event_table, block_time, digest)
        SELECT chain_id, tx_hash, log_index, %1$L, block_time, digest FROM asked ORDER BY chain_id, tx_hash, log_index
        ON CONFLICT (chain_id, tx_hash, log_index) DO NOTHING
        RETURNING chain_id, tx_hash, log_index
      )
      INSERT INTO %1$I SELECT (asked.event).* FROM asked JOIN taken USING (chain_id, tx_hash, log_index)
    $sql$, event_table, asked) USING batch;
  GET DIAGNOSTICS stored = ROW_COUNT;
  repeated := jsonb_array_length(batch) - stored;

  -- In a statement of its own, whose snapshot sees what another batch has committed meanwhile.
  IF repeated > 0 THEN
    EXECUTE format(
      $sql$
        SELECT known.* FROM (%2$s) asked JOIN chain_event_keys known USING (chain_id, tx_hash, log_index)
        WHERE known.digest <> asked.digest OR known.event_table <> %1$L LIMIT 1
      $sql$, event_table, asked) INTO bad USING batch;
    IF bad.tx_hash IS NOT NULL THEN
      RAISE EXCEPTION 'chain %, transaction %, log % is already stored with other contents',
        bad.chain_id, bad.tx_hash, bad.log_index
        USING ERRCODE = 'unique_violation',
        DETAIL = format('Stored in %s at block time %s.', bad.event_table, bad.block_time),
        HINT = 'Nothing of the batch was stored. Hand in events of final blocks only.';
    END IF;
  END IF;
END
$$;
COMMENT ON FUNCTION ingest_chain_events IS
  'Stores a batch, a JSON array of objects with the table''s columns, amounts as text. Events that are stored already are counted and left alone; one that contradicts what is stored refuses the batch.';

CREATE OR REPLACE FUNCTION last_indexed_block(chain BIGINT) RETURNS BIGINT
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT greatest(
    (SELECT max(block_number) FROM chain_nft_events WHERE chain_id = chain),
    (SELECT max(block_number) FROM chain_revenue_events WHERE chain_id = chain),
    (SELECT max(block_number) FROM chain_coin_events WHERE chain_id = chain)
  )
$$;
COMMENT ON FUNCTION last_indexed_block IS 'The newest block of a chain with a stored event, where an indexer goes on; null if there is none.';
