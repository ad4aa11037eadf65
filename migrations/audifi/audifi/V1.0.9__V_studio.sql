CREATE TABLE vstudio_sessions (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  artist_id UUID NOT NULL REFERENCES artists,
  master_id UUID REFERENCES masters,
  title TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'scheduled' CHECK (status IN ('scheduled', 'live', 'ended', 'cancelled')),
  starts_at TIMESTAMPTZ NOT NULL,
  ended_at TIMESTAMPTZ CHECK (ended_at >= starts_at),
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE vstudio_sessions IS 'Sessions in which fans decide with an artist how a master becomes.';
CREATE INDEX vstudio_sessions_artist_id_idx ON vstudio_sessions (artist_id);
CREATE INDEX vstudio_sessions_master_id_idx ON vstudio_sessions (master_id);
CREATE INDEX vstudio_sessions_coming_idx ON vstudio_sessions (starts_at) WHERE status IN ('scheduled', 'live');
CREATE TRIGGER vstudio_sessions_updated_at BEFORE UPDATE ON vstudio_sessions
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE vstudio_decisions (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  session_id UUID NOT NULL REFERENCES vstudio_sessions ON DELETE CASCADE,
  question TEXT NOT NULL,
  options TEXT[] NOT NULL CHECK (cardinality(options) BETWEEN 2 AND 20),
  opens_at TIMESTAMPTZ NOT NULL,
  closes_at TIMESTAMPTZ NOT NULL,
  CHECK (closes_at > opens_at)
);
COMMENT ON TABLE vstudio_decisions IS 'What is voted on in a session.';
CREATE INDEX vstudio_decisions_session_id_idx ON vstudio_decisions (session_id);

CREATE TABLE vstudio_votes (
  decision_id UUID NOT NULL REFERENCES vstudio_decisions ON DELETE CASCADE,
  user_id UUID NOT NULL REFERENCES users ON DELETE CASCADE,
  choice INTEGER NOT NULL CHECK (choice >= 1),
  cast_at TIMESTAMPTZ NOT NULL,
  changes INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (decision_id, user_id)
);
COMMENT ON TABLE vstudio_votes IS 'How a person votes in a decision: the last of their vote events. Personal data. Only cast_vote() writes it.';
COMMENT ON COLUMN vstudio_votes.choice IS 'Number of the option, from 1.';
COMMENT ON COLUMN vstudio_votes.changes IS 'How often the person voted again.';
CREATE INDEX vstudio_votes_user_id_idx ON vstudio_votes (user_id);

-- A unique constraint on the partitioned events would need their time; so the key has a table of its own,
-- as with chain_event_keys.
CREATE TABLE vstudio_vote_keys (
  vote_id UUID PRIMARY KEY,
  decision_id UUID NOT NULL,
  user_id UUID NOT NULL,
  choice INTEGER NOT NULL
);
COMMENT ON TABLE vstudio_vote_keys IS 'Which vote events are stored. Append-only; only cast_vote() writes it. Personal data.';
CALL make_append_only('vstudio_vote_keys');

-- No foreign keys: an event outlives what it tells of.
CREATE TABLE vstudio_vote_events (
  vote_id UUID NOT NULL,
  decision_id UUID NOT NULL,
  user_id UUID NOT NULL,
  choice INTEGER NOT NULL,
  cast_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (vote_id, cast_at)
) PARTITION BY RANGE (cast_at);
COMMENT ON TABLE vstudio_vote_events IS 'Every vote as it was cast, also those that were changed later. Append-only; only cast_vote() writes it. Personal data.';
CREATE INDEX vstudio_vote_events_decision_idx ON vstudio_vote_events (decision_id, cast_at);
CALL make_event_table('vstudio_vote_events', 'cast_at', 24);
