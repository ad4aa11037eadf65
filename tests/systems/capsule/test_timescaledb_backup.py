"""Hypertables in a backup: on a real TimescaleDB, by an administrator who is no superuser."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import zstandard

from tests.migrator.servers import Database, PostgreSQL, server_folder
from tests.operations.conftest import Trellis, trellis
from tests.operations.test_backup import backed_up
from tests.systems.capsule.product import ADMIN, PASSWORD, Service
from tests.systems.capsule.test_monitor import CPU, sample
from tests.systems.capsule.test_timescaledb import CHUNKS, monitor, timescale
from trellis.migrator import Target
from trellis.operations.backup import manifest, packing
from trellis.operations.databases import Database as Stacks
from trellis.operations.databases import Sources
from trellis.operations.drill import verifying
from trellis.operations.move import survey
from trellis.operations.move.sides import Side
from trellis.operations.rescue import rows, tables

__all__ = ["monitor", "timescale", "trellis"]

METRICS, ODD = '"public"."metrics"', '"plant"."Odd ""name"'
# Two dimensions, a clock of integers, and all that a table can have.
EXOTIC = """
CREATE SCHEMA plant; GRANT USAGE ON SCHEMA plant TO monitor_user;
CREATE TABLE plant.places (name text PRIMARY KEY);
INSERT INTO plant.places VALUES ('a'), ('b'), ('Größe');
CREATE TABLE plant.log (what text);
CREATE FUNCTION plant.ticks() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 1000::bigint';
CREATE FUNCTION plant.note() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO plant.log VALUES (TG_OP); NEW.note = 'noted'; RETURN NEW; END $$;
CREATE TABLE plant."Odd ""name" (
  id bigint GENERATED ALWAYS AS IDENTITY, gone int, tick bigint NOT NULL, place text NOT NULL REFERENCES plant.places,
  twice bigint GENERATED ALWAYS AS (tick * 2) STORED, note text, raw bytea, odd float8 CHECK (odd <> 7));
ALTER TABLE plant."Odd ""name" DROP COLUMN gone;
SELECT create_hypertable('plant."Odd ""name"', 'tick', chunk_time_interval => 100, create_default_indexes => false);
SELECT add_dimension('plant."Odd ""name"', 'place', number_partitions => 3);
SELECT set_integer_now_func('plant."Odd ""name"', 'plant.ticks');
ALTER TABLE plant."Odd ""name" ADD PRIMARY KEY (tick, place, id), REPLICA IDENTITY FULL;
CREATE INDEX ON plant."Odd ""name" (lower(note)) WHERE tick > 5;
INSERT INTO plant."Odd ""name" (tick, place, note, raw, odd)
  SELECT n, (ARRAY['a', 'b', 'Größe'])[n % 3 + 1], E'\\t\\\\.\\n', '\\x00ff', 'NaN' FROM generate_series(1, 900) n;
CREATE TRIGGER noted BEFORE INSERT ON plant."Odd ""name" FOR EACH ROW EXECUTE FUNCTION plant.note();
ALTER TABLE plant."Odd ""name" ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON plant."Odd ""name" FOR SELECT TO monitor_user USING (tick < 100);
GRANT SELECT ON plant."Odd ""name" TO monitor_user;
COMMENT ON COLUMN plant."Odd ""name".tick IS 'of a clock';
CREATE VIEW plant.totals AS SELECT place, count(*) FROM plant."Odd ""name" GROUP BY place;
CREATE FUNCTION plant.at(text) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$ SELECT ($1 || '-01')::timestamptz $$;
CREATE TABLE plant.months (month text NOT NULL);
SELECT create_hypertable('plant.months', 'month', chunk_time_interval => INTERVAL '30 days',
  time_partitioning_func => 'plant.at');
INSERT INTO plant.months VALUES ('2026-01'), ('2026-02'), ('2026-08');
CREATE TABLE plant.empty (at timestamptz NOT NULL);
SELECT create_hypertable('plant.empty', 'at', chunk_time_interval => INTERVAL '2 weeks');
"""
DIMENSIONS = (
    "SELECT hypertable_schema, hypertable_name, dimension_number, column_name, dimension_type, time_interval::text,"
    " integer_interval, integer_now_func, num_partitions FROM timescaledb_information.dimensions ORDER BY 1, 2, 3"
)


# What only the Community Edition makes, written into the catalogue by hand: how the backup sees it, and no more.
COMMUNITY = """
INSERT INTO _timescaledb_config.bgw_job (id, application_name, schedule_interval, max_runtime, max_retries,
  retry_period, proc_schema, proc_name, scheduled)
VALUES (1000, 'x', '1 day', '1 day', 0, '1 day', 'plant', 'tidy', false);
UPDATE _timescaledb_catalog.hypertable SET compression_state = 1 WHERE table_name = 'metrics';
INSERT INTO _timescaledb_catalog.continuous_agg
SELECT m.id, r.id, NULL, 'plant', 'totals', 'plant', 'totals', 'plant', 'totals'
FROM _timescaledb_catalog.hypertable m, _timescaledb_catalog.hypertable r
WHERE m.table_name = 'empty' AND r.table_name = 'months';
"""


def side(database: Database) -> Side:
    return Side(
        cluster="monitor-db", database=database.name, target=Target(database.parameters(ADMIN, PASSWORD)), peer={}
    )


def made_on(server: PostgreSQL, name: str) -> Iterator[Database]:
    """An empty database of the administrator's."""
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 OWNER {ADMIN}".encode())
    yield Database(server, name)
    with server.connect() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def empty(timescale: PostgreSQL) -> Iterator[Database]:
    yield from made_on(timescale, "restored")


@pytest.fixture
def kept(monitor: Service) -> Service:
    """Samples of four days, one of them old, and what is hard to dump."""
    sample(monitor, "now() - interval '91 days'", "now() - interval '3 days'", "now() - interval '2 days'", "now()")
    monitor.admin(EXOTIC)
    return monitor


@contextmanager
def running(version: str, preload: str) -> Iterator[PostgreSQL]:
    """A server of another release, with an administrator."""
    with server_folder() as folder:
        server = PostgreSQL(folder, version)
        server.start({"shared_preload_libraries": preload, "timescaledb.telemetry_level": "off"})
        try:
            with server.connect() as connection:
                connection.execute(f"CREATE ROLE {ADMIN} LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'".encode())
            yield server
        finally:
            server.stop()


def restored(trellis: Trellis, folder: Path, to: Database, *more: str | Path) -> tuple[int, str, str]:
    """The command, as the administrator."""
    url = f"postgresql://{ADMIN}@127.0.0.1:{to.server.port}/{to.name}"
    done = trellis("restore", "--from", folder / "prod", "--to", url, "--json", *more, PGPASSWORD=PASSWORD)
    return done.code, done.out, done.err


def test_hypertables_come_back(kept: Service, empty: Database, tmp_path: Path, trellis: Trellis) -> None:
    public = packing.new_key(tmp_path / "key")
    (one,) = backed_up(side(kept.database), tmp_path, (public,)).dumps
    assert one.hypertables
    assert (one.hypertables.names, one.hypertables.version, one.hypertables.lacks) == (
        (ODD, '"plant"."empty"', '"plant"."months"', METRICS),
        "2.19.3",
        (),
    )
    # The rows of a hypertable are its own, and TimescaleDB's tables are nobody's.
    assert (one.tables[METRICS][0], one.tables[ODD][0]) == (4, 900)
    assert not [name for name in one.tables if "_timescaledb" in name]
    code, out, err = restored(trellis, tmp_path, empty, "--identity", tmp_path / "key")
    assert code == 0, err
    told = json.loads(out)
    assert (told["ok"], told["lacks"], told["differs"]) == (True, [], [])
    there = Service("monitor", empty)
    for query in (DIMENSIONS, CHUNKS, "SELECT hypertable_name, num_chunks FROM timescaledb_information.hypertables"):
        assert sorted(there.admin(query), key=str) == sorted(kept.admin(query), key=str), query
    # Owners, grants, indexes, triggers, policies, comments, settings; and the history.
    sources = Sources(
        name="monitor-db/monitor", database="monitor", folder=kept.folder, placeholders={"app_role": kept.user}
    )
    stacks = Stacks(sources=sources, target=side(kept.database).target)
    for check in (
        verifying.schema(stacks, side(kept.database), side(empty)),
        verifying.history(stacks, side(empty)),
        verifying.rows_of_dump("monitor", one.tables, told["differs"]),
    ):
        assert check.ok, check
    # It goes on there: a day that is made, a day that is too old, a trigger, a policy, an identity.
    # The grants name the database, which is called otherwise here.
    assert [item.script for item in there.migrate().applied] == ["R__Grants.sql"]
    sample(there, "'2041-01-01 12:00+00'")
    there.run("CALL maintain_metrics()")
    assert there.value("SELECT count(*) FROM metrics") == 4
    assert ("2041-01-01",) in there.admin(CHUNKS)
    there.admin('INSERT INTO plant."Odd ""name" (tick, place, odd) VALUES (5000, \'a\', 1)')
    assert there.admin('SELECT id, twice, note FROM plant."Odd ""name" WHERE tick = 5000') == [(901, 10000, "noted")]
    assert there.value('SELECT count(*) FROM plant."Odd ""name"') == 99
    there.refused(
        psycopg.errors.CheckViolation,
        'INSERT INTO plant."Odd ""name" (tick, place, odd) VALUES (1, \'a\', 7)',
        user=ADMIN,
    )
    there.refused(
        psycopg.errors.ForeignKeyViolation,
        'INSERT INTO plant."Odd ""name" (tick, place, odd) VALUES (1, \'c\', 1)',
        user=ADMIN,
    )


def test_a_newer_release_takes_it_and_others_are_refused_before_anything_changes(
    kept: Service, empty: Database, tmp_path: Path, trellis: Trellis
) -> None:
    made = backed_up(side(kept.database), tmp_path)
    for version, preload, found in (
        ("17", "pg_stat_statements", "has not loaded it. Add timescaledb to its shared_preload_libraries"),
        ("18", "pg_stat_statements,timescaledb", ""),
    ):
        with running(version, preload) as server:
            for target in made_on(server, "elsewhere"):
                code, _, err = restored(trellis, tmp_path, target)
                assert (code, found in err) == (1 if found else 0, True), err
                assert bool(target.rows("SELECT FROM pg_roles WHERE rolname = 'monitor_user'")) == (not found)
                if not found:
                    _goes_on(target, tmp_path / "there", trellis)
    file = tmp_path / "prod" / made.name / manifest.FILE
    file.write_text(file.read_text().replace('"version": "2.19.3"', '"version": "2.100.0"'))
    code, _, err = restored(trellis, tmp_path, empty)
    assert code == 1
    assert "hypertables of TimescaleDB 2.100.0, and the server of" in err
    assert "offers 2.19.3, which is older. Update it there, or restore" in err


def _goes_on(newer: Database, folder: Path, trellis: Trellis) -> None:
    """What was restored into a newer release is maintained, written to, backed up and restored there."""
    there = Service("monitor", newer)
    with newer.connect() as connection:
        connection.execute(f"ALTER ROLE monitor_user PASSWORD '{PASSWORD}'".encode())
    sample(there, "'2041-01-01 12:00+00'")
    there.run("CALL maintain_metrics()")
    assert there.value("SELECT count(*) FROM metrics") == 4
    backed_up(side(newer), folder)
    for again in made_on(newer.server, "again"):
        code, _, err = restored(trellis, folder, again)
        assert code == 0, err
        assert Service("monitor", again).value("SELECT count(*) FROM metrics") == 4


def test_a_restore_that_fails_leaves_nothing(kept: Service, empty: Database, tmp_path: Path, trellis: Trellis) -> None:
    made = backed_up(side(kept.database), tmp_path)
    (one,) = made.dumps
    assert one.hypertables
    file = tmp_path / "prod" / made.name / one.hypertables.file
    listed = tmp_path / "prod" / made.name / manifest.FILE
    content = bytearray(file.read_bytes())

    def put(data: bytes, named: str = "") -> None:
        """Another script in its place. named: where the manifest knows it."""
        file.write_bytes(data)
        if named:
            listed.write_text(listed.read_text().replace(named, packing.sha256(file)))

    content[len(content) // 2] ^= 1
    put(bytes(content))
    assert "its SHA-256 is another" in restored(trellis, tmp_path, empty)[2]
    put(bytes(content), one.hypertables.sha256)
    assert "is damaged" in restored(trellis, tmp_path, empty)[2]
    here = packing.sha256(file)
    put(zstandard.compress(b"SELECT 1;\nCOPY public.metrics (source) FROM stdin;\nx\n\\.\n"), here)
    code, _, err = restored(trellis, tmp_path, empty)
    assert (code, "null value in column" in err) == (1, True), err
    assert empty.rows("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [(0,)]
    assert empty.rows("SELECT FROM pg_extension WHERE extname = 'timescaledb'") == []


def test_what_is_not_kept_is_told(kept: Service, empty: Database, tmp_path: Path, trellis: Trellis) -> None:
    with kept.database.connect() as connection:
        connection.execute(COMMUNITY)
    backed_up(side(kept.database), tmp_path)
    code, out, err = restored(trellis, tmp_path, empty)
    assert code == 0, err
    told = json.loads(out)
    assert told["differs"] == []
    assert told["lacks"] == [
        f"{what} is not in this backup"
        for what in (
            "the compression of public.metrics",
            "the continuous aggregate plant.totals",
            "the job 1000, plant.tidy",
        )
    ]
    assert empty.rows("SELECT to_regclass('plant.totals')") == [(None,)]


def test_rows_of_a_hypertable_are_rescued(kept: Service, empty: Database, tmp_path: Path, trellis: Trellis) -> None:
    backed_up(side(kept.database), tmp_path)
    assert restored(trellis, tmp_path, empty)[0] == 0
    kept.admin("DELETE FROM metrics WHERE observed_at < now() - interval '1 day'")
    sample(kept, "'2041-01-01 12:00+00'")
    with side(empty).connect() as then, side(kept.database).connect() as now:
        (table,) = tables.named(now, ["metrics"])
        assert (table.name, table.triggers) == (METRICS, ())
        lost = rows.find(0, table, then, now, None)
        assert (lost.missing, lost.changed) == (3, 0)
        with now.transaction():
            assert rows.put_back(lost, then, now, None, changed=True).inserted == 3
    assert kept.value(f"SELECT count(*) FROM metrics WHERE metric_id = '{CPU}'") == 5


def test_a_move_says_that_it_takes_no_hypertable(kept: Service) -> None:
    """Neither by a stream nor by a copy, and also none that is empty."""
    with side(kept.database).connect() as connection:
        found = {one.where: one for one in survey.rows("monitor", connection) if "hypertable" in one.what}
    assert set(found) == {f"monitor, {name}" for name in (METRICS, ODD, '"plant"."empty"', '"plant"."months"')}
    assert all(one.stops(copy=True) and "`trellis restore`" in one.do for one in found.values())
