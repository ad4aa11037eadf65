-- What a tracker of freshness from farm to shelf starts with. The design names the database and its user but no table,
-- so this is a proposal, kept small.

ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC;

CREATE FUNCTION set_updated_at() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at = now();
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION set_updated_at IS 'Trigger of the tables with a column updated_at.';

CREATE TABLE sites (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  name TEXT NOT NULL UNIQUE CHECK (name <> ''),
  kind TEXT NOT NULL CHECK (kind IN ('farm', 'packhouse', 'warehouse', 'store')),
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE sites IS 'Where goods grow, wait and are sold.';
CREATE TRIGGER sites_updated_at BEFORE UPDATE ON sites FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE products (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  name TEXT NOT NULL UNIQUE CHECK (name <> ''),
  shelf_life INTERVAL NOT NULL CHECK (shelf_life > '0'),
  min_celsius NUMERIC(4, 1) NOT NULL,
  max_celsius NUMERIC(4, 1) NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  CHECK (max_celsius > min_celsius)
);
COMMENT ON TABLE products IS 'What is tracked, how long it keeps after the harvest, and between which temperatures.';
CREATE TRIGGER products_updated_at BEFORE UPDATE ON products FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE lots (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  code TEXT NOT NULL UNIQUE CHECK (code ~ '^[A-Z0-9-]{3,40}$'),
  product_id UUID NOT NULL REFERENCES products,
  farm_id UUID NOT NULL REFERENCES sites,
  harvested_at TIMESTAMPTZ NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE lots IS 'Goods of one product from one harvest, which are moved and measured together.';
CREATE INDEX lots_product_id_idx ON lots (product_id, harvested_at);
CREATE INDEX lots_farm_id_idx ON lots (farm_id);
CREATE TRIGGER lots_updated_at BEFORE UPDATE ON lots FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE lot_events (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  lot_id UUID NOT NULL REFERENCES lots,
  site_id UUID NOT NULL REFERENCES sites,
  kind TEXT NOT NULL CHECK (kind IN ('received', 'dispatched', 'shelved', 'sold_out', 'discarded')),
  happened_at TIMESTAMPTZ NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  UNIQUE (lot_id, site_id, kind, happened_at)
);
COMMENT ON TABLE lot_events IS 'Where a lot was, and what became of it. Append-only for the application; an event that comes twice counts once.';
CREATE INDEX lot_events_lot_id_idx ON lot_events (lot_id, happened_at);
CREATE INDEX lot_events_site_id_idx ON lot_events (site_id, happened_at);

CREATE TABLE temperature_readings (
  lot_id UUID NOT NULL REFERENCES lots,
  measured_at TIMESTAMPTZ NOT NULL,
  celsius NUMERIC(4, 1) NOT NULL CHECK (celsius BETWEEN -90 AND 90),
  PRIMARY KEY (lot_id, measured_at)
);
COMMENT ON TABLE temperature_readings IS 'What a lot''s sensor measured. Append-only for the application; a reading that comes twice counts once.';

CREATE VIEW lot_freshness AS
  SELECT l.id AS lot_id, l.code, p.name AS product, last.site_id, last.kind AS last_event,
    l.harvested_at + p.shelf_life AS best_before,
    coalesce(readings.outside, 0) AS readings_outside, coalesce(readings.taken, 0) AS readings
  FROM lots l
  JOIN products p ON p.id = l.product_id
  LEFT JOIN LATERAL (
    SELECT e.site_id, e.kind FROM lot_events e WHERE e.lot_id = l.id ORDER BY e.happened_at DESC LIMIT 1
  ) last ON true
  LEFT JOIN LATERAL (
    SELECT count(*) AS taken, count(*) FILTER (WHERE r.celsius NOT BETWEEN p.min_celsius AND p.max_celsius) AS outside
    FROM temperature_readings r WHERE r.lot_id = l.id
  ) readings ON true;
COMMENT ON VIEW lot_freshness IS 'Each lot: where it is, until when it keeps, and how many readings were outside its product''s temperatures.';
