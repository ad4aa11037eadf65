"""Where no stream is possible rows are copied at the cut, behind both fences, and so they are on the way back."""

import time

import psycopg
import pytest

from tests.operations.test_move import (
    INSERT,
    addresses,
    counted,
    killed_at_random_moments,
    pair,
    servers,
    writing,
)
from trellis.operations.errors import OperationError
from trellis.operations.move import carrying, copying, cutting, fences, following, survey
from trellis.operations.move.sides import Pair

__all__ = ["pair", "servers"]

# What a copy must not set off, ask for an order of, or forget.
MORE = """
CREATE TABLE public.bare (at timestamptz NOT NULL DEFAULT now(), body text);
CREATE TABLE public.teams (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, leader int, name text UNIQUE);
CREATE TABLE public.people (id serial PRIMARY KEY, team int NOT NULL REFERENCES public.teams, name text,
  upper_name text GENERATED ALWAYS AS (upper(name)) STORED);
ALTER TABLE public.teams ADD CONSTRAINT led FOREIGN KEY (leader) REFERENCES public.people DEFERRABLE;
COMMENT ON CONSTRAINT led ON public.teams IS 'by one of its people';
CREATE TABLE public.days (day date, body text, PRIMARY KEY (day, body)) PARTITION BY RANGE (day);
CREATE TABLE public.days_2026 PARTITION OF public.days FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE FUNCTION public.stamp() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN NEW.name := NEW.name || '!'; RETURN NEW; END$$;
CREATE TRIGGER stamp BEFORE INSERT ON public.people FOR EACH ROW EXECUTE FUNCTION public.stamp();
CREATE TRIGGER always BEFORE UPDATE ON public.people FOR EACH ROW EXECUTE FUNCTION public.stamp();
ALTER TABLE public.people ENABLE ALWAYS TRIGGER always;
CREATE MATERIALIZED VIEW public.names AS SELECT name FROM public.people;
INSERT INTO public.teams (name) VALUES ('one'), (E'tw\\to\\n\\\\.');
INSERT INTO public.people (team, name) VALUES (1, 'ann'), (2, NULL);
UPDATE public.teams SET leader = 1 WHERE id = 1;
INSERT INTO public.bare (body) VALUES ('a'), ('a'), ('');
INSERT INTO public.days VALUES ('2026-05-01', 'first');
"""


def begun(pair: Pair) -> None:
    with pair.old.connect() as old:
        old.execute(MORE.encode())
    assert following.follow(pair, copy=True) == []
    assert copying.differences(pair) == []


def test_there_and_back_under_writes_loses_nothing(pair: Pair) -> None:
    begun(pair)
    with writing(pair) as writers:
        for to_new in (True, False, True):
            time.sleep(0.5)
            with cutting.cut([pair], to_new=to_new) as done:
                differences, tables, rows = done.snapshots[0].differences()
            assert not differences, [str(one) for one in differences]
            assert (tables > 6, rows > 8) == (True, True)
            assert cutting.serving(pair) is (pair.new if to_new else pair.old)
            # Triggers, references and comments are as they were.
            assert copying.differences(pair) == []
        time.sleep(0.5)
    committed = {address for writer in writers for address in writer.committed}
    assert len(committed) > 100
    assert committed <= addresses(pair.new)
    with pair.new.connect() as new:
        assert new.execute("SELECT name FROM public.names ORDER BY 1").fetchall() == [("ann!",), (None,)]
        assert new.execute("INSERT INTO public.people (team, name) VALUES (1, 'x') RETURNING id").fetchone() == (3,)
        assert new.execute("INSERT INTO public.teams (name) VALUES ('x') RETURNING id").fetchone() == (3,)


def test_a_copy_that_was_stopped_goes_on_or_back_and_never_over_what_is_newer(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(pair)

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    for source, to_new in ((pair.old, True), (pair.new, False)):
        for onward in (False, True):
            row = f"{to_new:d}{onward:d}" + "0" * 40
            with source.connect() as here:
                here.execute(INSERT, (row, row[:20], row[:20]))
            with monkeypatch.context() as patched:
                patched.setattr(carrying, "carry", killed)
                # Whoever is killed opens nothing again.
                patched.setattr(fences, "open_", lambda _: None)
                with pytest.raises(Killed), cutting.cut([pair], to_new=to_new):
                    pass
            assert cutting.serving(pair) is None
            way = to_new if onward else not to_new
            with cutting.cut([pair], to_new=way):
                pass
            expected = pair.new if way else pair.old
            assert cutting.serving(pair) is expected
            assert row in addresses(expected)


def test_a_copy_that_fails_leaves_both_sides_as_they_were(pair: Pair) -> None:
    begun(pair)
    with pair.new.connect() as new:
        new.execute("ALTER TABLE public.teams ADD CHECK (name = 'one')")
    with pytest.raises(psycopg.errors.CheckViolation), cutting.cut([pair], to_new=True):
        pass
    assert cutting.serving(pair) is pair.old
    with pair.new.connect() as new:
        assert new.execute("SELECT count(*) FROM public.people").fetchone() == (0,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            new.execute("INSERT INTO public.bare (body) VALUES ('b')")


def test_what_stops_a_stream_alone_names_the_copy(pair: Pair) -> None:
    with pair.old.connect() as old:
        old.execute("CREATE TABLE public.bare (a int)")
    stops = [str(one) for one in survey.source(pair.old).findings if one.stops(copy=False)]
    assert len(stops) == 1
    assert not [one for one in survey.source(pair.old).findings if one.stops(copy=True)]
    with pytest.raises(OperationError, match="--by-copy"):
        following.refuse(survey.source(pair.old).findings, copy=False)
    with pair.old.connect() as old:
        old.execute("SELECT lo_create(0)")
    with pytest.raises(OperationError) as refused:
        following.refuse(survey.source(pair.old).findings, copy=False)
    assert "--by-copy" not in str(refused.value)


@pytest.mark.soak(short=3, long=30)
def test_killed_at_random_moments(pair: Pair, rounds: int) -> None:
    """A cut that copies every row is killed at a random moment, with a writer on each side: no two sides ever take
    writes, the next cut goes on in either direction, and no committed row is lost."""
    counted(pair)
    begun(pair)
    serving, other = killed_at_random_moments(pair, rounds)
    with cutting.cut([pair], to_new=other is pair.new) as done:
        assert not done.snapshots[0].differences()[0]
    assert addresses(serving) == addresses(other)
