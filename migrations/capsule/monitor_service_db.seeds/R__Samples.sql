-- Metrics for development: three definitions, a day of samples of two instances, one rule that is broken and one that
-- is not, and an alarm that is over. Running it again adds what is missing and changes nothing; samples are of the day
-- before the data went in first.

CREATE FUNCTION pg_temp.id(name TEXT) RETURNS UUID LANGUAGE sql IMMUTABLE
RETURN md5('capsule test data: ' || name)::uuid;

INSERT INTO metric_definitions (id, name, kind, unit, description)
VALUES
  (pg_temp.id('cpu'), 'cpu_usage', 'gauge', '1', 'Share of a processor that an instance uses'),
  (pg_temp.id('latency'), 'request_seconds', 'gauge', 'seconds', 'Time of a request, 95th percentile'),
  (pg_temp.id('requests'), 'requests_total', 'counter', '1', 'Requests since the instance started')
ON CONFLICT DO NOTHING;
INSERT INTO metrics (metric_id, source, observed_at, value, labels)
SELECT pg_temp.id(metric), source, at,
  CASE metric
    WHEN 'cpu' THEN 0.5 + 0.4 * sin(extract(epoch FROM at) / 7200)
    WHEN 'latency' THEN CASE source WHEN 'web-1' THEN 0.08 ELSE 0.9 END
    ELSE extract(epoch FROM at - first)
  END,
  CASE metric WHEN 'latency' THEN jsonb '{"path": "/"}' ELSE jsonb '{}' END
FROM (SELECT coalesce((SELECT max(observed_at) FROM metrics), date_trunc('minute', CURRENT_TIMESTAMP)) AS last) AS now
CROSS JOIN LATERAL (SELECT last - INTERVAL '1 day' AS first) AS day
CROSS JOIN LATERAL generate_series(first, last, INTERVAL '5 minutes') AS at
CROSS JOIN unnest(ARRAY['cpu', 'latency', 'requests']) AS metric
CROSS JOIN unnest(ARRAY['web-1', 'web-2']) AS source
WHERE NOT EXISTS (SELECT FROM metrics WHERE metric_id = pg_temp.id('requests'))
ON CONFLICT DO NOTHING;
INSERT INTO alert_rules (id, metric_id, name, comparison, threshold, severity)
VALUES
  (pg_temp.id('rule latency'), pg_temp.id('latency'), 'Requests are slow', 'above', 0.5, 'warning'),
  (pg_temp.id('rule cpu'), pg_temp.id('cpu'), 'No processor is left', 'above', 0.99, 'critical')
ON CONFLICT DO NOTHING;
INSERT INTO alerts (id, rule_id, source, value, resolved_at)
VALUES (pg_temp.id('alert'), pg_temp.id('rule cpu'), 'web-1', 1, CURRENT_TIMESTAMP)
ON CONFLICT DO NOTHING;
