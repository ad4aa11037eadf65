CREATE TABLE artists (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id UUID NOT NULL UNIQUE REFERENCES users,
  slug TEXT NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9](-?[a-z0-9])*$'),
  stage_name TEXT NOT NULL,
  biography TEXT,
  links JSONB NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(links) = 'object'),
  verified_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE artists IS 'Profiles of artists. Personal data: it joins a stage name to a person.';
COMMENT ON COLUMN artists.slug IS 'The artist''s part of an address on the web.';
CREATE TRIGGER artists_updated_at BEFORE UPDATE ON artists FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE producers (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id UUID NOT NULL UNIQUE REFERENCES users,
  slug TEXT NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9](-?[a-z0-9])*$'),
  name TEXT NOT NULL,
  biography TEXT,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE producers IS 'Profiles of producers. Personal data: it joins a name to a person.';
CREATE TRIGGER producers_updated_at BEFORE UPDATE ON producers FOR EACH ROW EXECUTE FUNCTION set_updated_at();
