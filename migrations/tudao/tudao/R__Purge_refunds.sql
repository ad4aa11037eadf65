-- Deletes refunded buyers whose seven years are over, from buyers and from the archive, for operators:
--   CALL purge_refunds();
-- One transaction; each deletion is noted in purged_buyers. A row that somebody is writing is left for the next call.

CREATE OR REPLACE PROCEDURE purge_refunds(INOUT purged BIGINT DEFAULT 0)
LANGUAGE plpgsql SET search_path = public, pg_temp
AS $$
DECLARE
  place NAME;
  deleted BIGINT;
BEGIN
  purged := 0;
  FOREACH place IN ARRAY ARRAY['buyers', 'buyers_archive'] LOOP
    EXECUTE format(
      'WITH due AS (
         SELECT id FROM %1$I
         WHERE status = ''refunded'' AND retention_ends(status, refunded_at) <= now()
         FOR UPDATE SKIP LOCKED
       ), gone AS (
         DELETE FROM %1$I b USING due WHERE b.id = due.id RETURNING b.id, b.license_id, b.refunded_at
       )
       INSERT INTO purged_buyers (buyer_id, license_id, refunded_at, purged_from)
       SELECT id, license_id, refunded_at, %1$L FROM gone', place
    );
    GET DIAGNOSTICS deleted = ROW_COUNT;
    purged := purged + deleted;
  END LOOP;
END
$$;

REVOKE EXECUTE ON PROCEDURE purge_refunds FROM PUBLIC;
