-- Moves refunded and expired buyers created more than two years ago into buyers_archive, for operators:
--   CALL archive_buyers();
-- Each batch is one transaction: its rows are copied, deleted and counted in archive_runs together or not at all.
-- Killed at any moment, the next call goes on. Rows that somebody is writing are passed over; rows_left counts them.
-- It commits, so it must not be called inside a transaction.

CREATE OR REPLACE PROCEDURE archive_buyers(batch_size INTEGER DEFAULT 1000, INOUT moved BIGINT DEFAULT 0)
LANGUAGE plpgsql
AS $$
DECLARE
  due CONSTANT TIMESTAMPTZ := now() - INTERVAL '2 years';
  columns TEXT;
  ids UUID[];
  run BIGINT;
BEGIN
  IF batch_size IS NULL OR batch_size < 1 THEN
    RAISE EXCEPTION 'a batch of % rows: at least 1 is needed', coalesce(batch_size::text, 'null')
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  moved := 0;
  INSERT INTO archive_runs (cutoff, batch_size) VALUES (due, batch_size) RETURNING id INTO run;
  COMMIT;

  LOOP
    -- Read from the catalogue each time: a column that buyers has and the archive lacks is an error, not a loss.
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
    FROM pg_attribute
    WHERE attrelid = 'buyers'::regclass AND attnum > 0 AND NOT attisdropped;

    SELECT array_agg(id) INTO ids
    FROM (
      SELECT id FROM buyers
      WHERE status IN ('refunded', 'expired') AND created_at < due
      ORDER BY created_at
      LIMIT batch_size
      FOR UPDATE SKIP LOCKED
    ) AS batch;
    EXIT WHEN ids IS NULL;

    -- Copied first: the trigger buyers_retention lets a refund go only when the archive has it.
    EXECUTE format(
      'INSERT INTO buyers_archive (%1$s, archive_run_id) SELECT %1$s, $1 FROM buyers WHERE id = ANY ($2)', columns
    ) USING run, ids;
    DELETE FROM buyers WHERE id = ANY (ids);
    UPDATE archive_runs SET batches = batches + 1, rows_moved = rows_moved + cardinality(ids) WHERE id = run;
    COMMIT;
    moved := moved + cardinality(ids);
  END LOOP;

  UPDATE archive_runs
  SET finished_at = clock_timestamp(),
      rows_left = (SELECT count(*) FROM buyers WHERE status IN ('refunded', 'expired') AND created_at < due)
  WHERE id = run;
  COMMIT;
END
$$;

REVOKE EXECUTE ON PROCEDURE archive_buyers FROM PUBLIC;
