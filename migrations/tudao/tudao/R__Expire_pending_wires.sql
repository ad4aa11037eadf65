-- Expires wire transfers that have not arrived 30 days after the order, for operators:
--   CALL expire_pending_wires();
-- One transaction; each expiry is noted in expired_wires. A row that is being activated right now is passed over.

CREATE OR REPLACE PROCEDURE expire_pending_wires(INOUT expired BIGINT DEFAULT 0)
LANGUAGE plpgsql SET search_path = public, pg_temp
AS $$
BEGIN
  WITH due AS (
    SELECT id FROM buyers
    WHERE status = 'pending_wire' AND created_at < now() - INTERVAL '30 days'
    FOR UPDATE SKIP LOCKED
  ), changed AS (
    UPDATE buyers b SET status = 'expired' FROM due WHERE b.id = due.id
    RETURNING b.id, b.license_id, b.created_at
  )
  INSERT INTO expired_wires (buyer_id, license_id, pending_since) SELECT id, license_id, created_at FROM changed;
  GET DIAGNOSTICS expired = ROW_COUNT;
END
$$;

REVOKE EXECUTE ON PROCEDURE expire_pending_wires FROM PUBLIC;
