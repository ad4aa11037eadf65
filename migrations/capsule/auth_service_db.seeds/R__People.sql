-- People for development, the same in all four databases: identifiers come from names. Running it again adds what is
-- missing and changes nothing. Everybody's password is "development".

CREATE FUNCTION pg_temp.id(name TEXT) RETURNS UUID LANGUAGE sql IMMUTABLE
RETURN md5('capsule test data: ' || name)::uuid;

CREATE TEMPORARY TABLE people (handle TEXT, name TEXT, role TEXT, status TEXT) ON COMMIT DROP;
INSERT INTO people VALUES
  ('ada', 'Ada Admin', 'admin', 'active'),
  ('ben', 'Ben Builder', 'developer', 'active'),
  ('cat', 'Cat Cashier', 'billing', 'active'),
  ('dan', 'Dan Watcher', 'viewer', 'active'),
  ('eve', 'Eve Elsewhere', NULL, 'locked'),
  ('new', NULL, NULL, 'pending');

INSERT INTO users (id, email, display_name, password_hash, status, email_verified_at)
SELECT pg_temp.id(handle), handle || '@capsule.example', name, crypt('development', gen_salt('bf')), status,
  CASE WHEN status <> 'pending' THEN timestamptz '2026-01-01' END
FROM people
ON CONFLICT DO NOTHING;
INSERT INTO user_roles (user_id, role) SELECT pg_temp.id(handle), role FROM people WHERE role IS NOT NULL
ON CONFLICT DO NOTHING;
INSERT INTO oauth_identities (id, user_id, provider, subject, email)
VALUES (pg_temp.id('identity ben'), pg_temp.id('ben'), 'development', 'ben', 'ben@capsule.example')
ON CONFLICT DO NOTHING;
INSERT INTO sessions (id, user_id, token_hash, ip_address, user_agent, expires_at)
SELECT pg_temp.id('session ' || handle), pg_temp.id(handle), digest('token of ' || handle, 'sha256'), '192.0.2.10',
  'development', CURRENT_TIMESTAMP + INTERVAL '30 days'
FROM people WHERE status = 'active'
ON CONFLICT DO NOTHING;
INSERT INTO security_audit_log (id, user_id, event, outcome, ip_address)
VALUES
  (pg_temp.id('event 1'), pg_temp.id('ben'), 'sign_in', 'success', '192.0.2.10'),
  (pg_temp.id('event 2'), pg_temp.id('eve'), 'sign_in', 'failure', '198.51.100.7')
ON CONFLICT DO NOTHING;
