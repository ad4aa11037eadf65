-- The one way to vote: the event and the state it leads to are one statement, and a message that is sent again
-- counts once.

CREATE OR REPLACE FUNCTION cast_vote(vote UUID, decision UUID, voter UUID, picked INTEGER, OUT counted BOOLEAN)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  moment TIMESTAMPTZ := clock_timestamp();
BEGIN
  -- First what was cast before: it may be sent again after the decision has closed.
  counted := NOT EXISTS (SELECT FROM vstudio_vote_keys WHERE vote_id = vote);
  IF counted AND NOT EXISTS (
    SELECT FROM vstudio_decisions
    WHERE id = decision AND moment >= opens_at AND moment < closes_at AND picked BETWEEN 1 AND cardinality(options)
  ) THEN
    RAISE EXCEPTION 'decision % is not open or has no option %', decision, picked
      USING ERRCODE = 'check_violation', HINT = 'The vote was not counted.';
  END IF;

  WITH taken AS (
    INSERT INTO vstudio_vote_keys (vote_id, decision_id, user_id, choice) VALUES (vote, decision, voter, picked)
    ON CONFLICT (vote_id) DO NOTHING
    RETURNING *
  ), cast_now AS (
    INSERT INTO vstudio_vote_events (vote_id, decision_id, user_id, choice, cast_at)
    SELECT taken.*, moment FROM taken
    RETURNING *
  )
  INSERT INTO vstudio_votes AS known (decision_id, user_id, choice, cast_at)
  SELECT decision_id, user_id, choice, cast_at FROM cast_now
  ON CONFLICT (decision_id, user_id) DO UPDATE
  SET choice = CASE WHEN excluded.cast_at >= known.cast_at THEN excluded.choice ELSE known.choice END,
      cast_at = greatest(excluded.cast_at, known.cast_at),
      changes = known.changes + 1;
  counted := FOUND;

  IF NOT counted AND NOT EXISTS (
    SELECT FROM vstudio_vote_keys
    WHERE vote_id = vote AND decision_id = decision AND user_id = voter AND choice = picked
  ) THEN
    RAISE EXCEPTION 'vote % was already cast with other contents', vote
      USING ERRCODE = 'unique_violation', HINT = 'A changed vote needs an identifier of its own.';
  END IF;
END
$$;
COMMENT ON FUNCTION cast_vote IS 'Casts or changes a vote in an open decision. The client makes the identifier; false: it was cast already.';
