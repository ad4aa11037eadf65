-- Paid, and no NFT: each row is a mint to try again. The view has the rights of who reads it, not of who made it.
CREATE OR REPLACE VIEW unminted_buyers WITH (security_invoker = true) AS
  SELECT id, license_id, wallet, tier, email, paid_at, created_at
  FROM buyers
  WHERE tx_hash IS NULL AND status = 'active'
  ORDER BY created_at;

COMMENT ON VIEW unminted_buyers IS 'Active buyers without a transaction hash, oldest first. Any row is an alarm.';

GRANT SELECT ON unminted_buyers TO "${app_role}", "${analytics_role}";
