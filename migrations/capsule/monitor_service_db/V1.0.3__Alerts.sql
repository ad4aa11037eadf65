CREATE TABLE alert_rules (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  metric_id UUID NOT NULL REFERENCES metric_definitions,
  name TEXT NOT NULL UNIQUE CHECK (name <> ''),
  aggregate TEXT NOT NULL DEFAULT 'avg' CHECK (aggregate IN ('avg', 'min', 'max')),
  comparison TEXT NOT NULL CHECK (comparison IN ('above', 'below')),
  threshold DOUBLE PRECISION NOT NULL CHECK (threshold <> 'NaN'),
  time_window INTERVAL NOT NULL DEFAULT '5 minutes' CHECK (time_window BETWEEN '10 seconds' AND '1 day'),
  severity TEXT NOT NULL DEFAULT 'warning' CHECK (severity IN ('info', 'warning', 'critical')),
  enabled BOOLEAN NOT NULL DEFAULT true,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE alert_rules IS 'When a metric is an alarm: an aggregate over the last time_window is above or below the threshold.';
CREATE INDEX alert_rules_metric_id_idx ON alert_rules (metric_id);
CREATE TRIGGER alert_rules_updated_at BEFORE UPDATE ON alert_rules FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE alerts (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  rule_id UUID NOT NULL REFERENCES alert_rules,
  source TEXT NOT NULL,
  value DOUBLE PRECISION NOT NULL,
  acknowledged_at TIMESTAMPTZ,
  resolved_at TIMESTAMPTZ CHECK (resolved_at >= created_at),
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE alerts IS 'Alarms that were raised. One a rule and source at a time: raised again, it is the same alarm.';
CREATE UNIQUE INDEX alerts_open_key ON alerts (rule_id, source) WHERE resolved_at IS NULL;
CREATE INDEX alerts_rule_id_idx ON alerts (rule_id, created_at);
CREATE INDEX alerts_created_at_idx ON alerts (created_at);
CREATE TRIGGER alerts_updated_at BEFORE UPDATE ON alerts FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE VIEW threshold_breaches AS
  SELECT r.id AS rule_id, r.name, r.severity, recent.source, recent.value, r.comparison, r.threshold
  FROM alert_rules r
  CROSS JOIN LATERAL (
    SELECT m.source,
      CASE r.aggregate WHEN 'avg' THEN avg(m.value) WHEN 'min' THEN min(m.value) ELSE max(m.value) END AS value
    FROM metrics m
    WHERE m.metric_id = r.metric_id AND m.observed_at > now() - r.time_window AND m.observed_at <= now()
    GROUP BY m.source
  ) recent
  WHERE r.enabled
    AND CASE r.comparison WHEN 'above' THEN recent.value > r.threshold ELSE recent.value < r.threshold END;
COMMENT ON VIEW threshold_breaches IS 'Which rules are broken at this moment, and by whom.';
