"""A database is dumped and comes back, whole or not at all."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from tests.migrator.servers import PASSWORD, Database, PostgreSQL, parts
from tests.operations.conftest import ROOT, Trellis, url
from trellis.migrator import Target, migrate
from trellis.migrator.history import HistoryTable
from trellis.operations.backup import manifest, packing
from trellis.operations.backup.dumping import dump
from trellis.operations.backup.manifest import Manifest
from trellis.operations.backup.places import Folder
from trellis.operations.backup.restoring import restore
from trellis.operations.backup.retention import surplus
from trellis.operations.check.shadow.entries import reached
from trellis.operations.errors import OperationError
from trellis.operations.move.sides import Side
from trellis.settings.recovery import Keep

HISTORY = HistoryTable("public")
EXOTIC = """
CREATE EXTENSION citext;
COMMENT ON EXTENSION citext IS 'somebody else''s';
CREATE TABLE "Odd ""name" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Größe" citext,
  twice bigint GENERATED ALWAYS AS (id * 2) STORED, at timestamptz DEFAULT now(), raw bytea, odd float8);
INSERT INTO "Odd ""name" ("Größe", raw, odd) SELECT 'Ü' || n, '\\x00ff', 'NaN' FROM generate_series(1, 2000) n;
CREATE TABLE events (id int, day date) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO events SELECT n, '2026-06-01' FROM generate_series(1, 1000) n;
CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM events;
CREATE ROLE readers NOLOGIN; CREATE ROLE analyst LOGIN PASSWORD 'secret' CONNECTION LIMIT 3;
GRANT readers TO analyst; ALTER ROLE analyst SET statement_timeout = '30s';
GRANT SELECT ON events TO readers; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO readers;
"""


@pytest.fixture
def villa(database: Database) -> Iterator[Side]:
    """Villa's schema with rows, and what is hard to dump."""
    with database.connect() as connection:
        connection.execute("CREATE ROLE villa_app LOGIN")
        migrate(Target(database.parameters()), ROOT / "migrations" / "villa" / "villa", {"app_role": "villa_app"})
        connection.execute(EXOTIC)
        connection.execute(f"ALTER DATABASE {database.name} SET work_mem = '8MB'")
        connection.execute(f"REVOKE CONNECT ON DATABASE {database.name} FROM PUBLIC")
        connection.execute(f"GRANT CONNECT ON DATABASE {database.name} TO readers")
    yield side(database)
    with database.connect() as connection:
        connection.execute("DROP OWNED BY villa_app, readers, analyst; DROP ROLE villa_app, readers, analyst")


def side(database: Database) -> Side:
    return Side(cluster="villa-db", database=database.name, target=Target(database.parameters()), peer={})


@pytest.fixture
def empty(server: PostgreSQL) -> Iterator[Database]:
    """A database to restore into, without the roles of the one that was dumped."""
    with server.connect() as connection:
        connection.execute("CREATE DATABASE restored TEMPLATE template0")
    yield Database(server, "restored")
    with server.connect() as connection:
        connection.execute("DROP DATABASE restored WITH (FORCE)")


def backed_up(villa: Side, folder: Path, recipients: tuple[str, ...] = ()) -> Manifest:
    """A backup of one database in a folder, as the command makes it."""
    name = manifest.named(datetime.now(UTC))
    with Folder(folder, "prod").made(name) as partial:
        made = dump(villa, HISTORY, partial, recipients, lambda _: None)
        whole = Manifest(stack="prod", name=name, trellis="0", recipients=recipients, dumps=(made,))
        whole.write(partial)
    return whole


def test_all_comes_back(villa: Side, empty: Database, tmp_path: Path, trellis: Trellis) -> None:
    key = tmp_path / "backups.key"
    public = packing.new_key(key)
    assert key.stat().st_mode & 0o777 == 0o600
    made = backed_up(villa, tmp_path, (public,))
    (one,) = made.dumps
    assert one.migration == "1.0.6"
    assert one.tables['"public"."Odd ""name"'][0] == 2000
    assert one.tables['"public"."events"'][0] == 1000
    folder = tmp_path / "prod" / made.name
    assert (folder / one.file).read_bytes().startswith(b"age-encryption.org/")
    assert {path.stat().st_mode & 0o077 for path in folder.rglob("*")} == {0}
    with empty.connect() as connection:
        connection.execute("DROP OWNED BY readers, analyst; DROP ROLE analyst")
    call = ("restore", "--from", tmp_path / "prod", "--to", url(empty))
    assert "Name the file of the secret key" in trellis(*call).err
    done = trellis(*call, "--identity", key, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["ok"], told["lacks"], told["differs"]) == (True, [], [])
    with empty.connect() as connection:
        assert connection.execute('SELECT count(*), max(twice) FROM "Odd ""name"').fetchone() == (2000, 4000)
        connection.execute('INSERT INTO "Odd ""name" DEFAULT VALUES')
        assert connection.execute("TABLE totals").fetchone() == (1000,)
        assert connection.execute("SELECT has_table_privilege('analyst', 'events', 'SELECT')").fetchone() == (True,)
        assert connection.execute(
            "SELECT rolconnlimit, rolconfig FROM pg_roles WHERE rolname = 'analyst'"
        ).fetchone() == (3, ["statement_timeout=30s"])
        assert connection.execute(
            "SELECT has_database_privilege('public', current_database(), 'CONNECT')"
        ).fetchone() == (False,)
    with empty.connect() as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("8MB",)
    refused = trellis(*call, "--identity", key)
    assert (refused.code, "holds tables already" in refused.err) == (1, True)


def test_a_dump_is_of_one_moment(villa: Side, empty: Database, tmp_path: Path) -> None:
    """Rows that are moved between two tables all the time are in one of them."""
    with villa.connect() as connection:
        connection.execute("CREATE TABLE public.a AS SELECT generate_series(1, 1000) AS id")
        connection.execute("CREATE TABLE public.b (id int)")
    ended = threading.Event()

    def move() -> None:
        with villa.connect() as connection:
            while not ended.is_set():
                connection.execute(
                    "WITH moved AS (DELETE FROM public.a WHERE id IN (SELECT id FROM public.a LIMIT 10) RETURNING id)"
                    " INSERT INTO public.b SELECT id FROM moved"
                )
                connection.execute(
                    "WITH moved AS (DELETE FROM public.b WHERE id IN (SELECT id FROM public.b LIMIT 9) RETURNING id)"
                    " INSERT INTO public.a SELECT id FROM moved"
                )

    mover = threading.Thread(target=move)
    mover.start()
    try:
        made = backed_up(villa, tmp_path)
    finally:
        ended.set()
        mover.join()
    (one,) = made.dumps
    assert one.tables['"public"."a"'][0] + one.tables['"public"."b"'][0] == 1000
    done = restore(one, tmp_path / "prod" / made.name / one.file, side(empty), [], lambda _: None)
    assert done.differs == ()


def test_what_is_damaged_is_not_restored(villa: Side, empty: Database, tmp_path: Path, trellis: Trellis) -> None:
    made = backed_up(villa, tmp_path)
    file = tmp_path / "prod" / made.name / made.dumps[0].file
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    done = trellis("restore", "--from", tmp_path / "prod" / made.name, "--to", url(empty))
    assert (done.code, "its SHA-256 is another" in done.err) == (1, True)
    # Also where the manifest was changed with it.
    lines = (tmp_path / "prod" / made.name / manifest.FILE).read_text()
    (tmp_path / "prod" / made.name / manifest.FILE).write_text(
        lines.replace(made.dumps[0].sha256, packing.sha256(file))
    )
    done = trellis("restore", "--from", tmp_path / "prod" / made.name, "--to", url(empty))
    assert (done.code, "is damaged" in done.err) == (1, True), done.err
    with empty.connect() as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        ).fetchone() == (0,)
    (tmp_path / "prod" / made.name / manifest.FILE).unlink()
    done = trellis("restore", "--from", tmp_path / "prod" / made.name, "--to", url(empty))
    assert (done.code, "is no whole backup" in done.err) == (1, True)


def test_the_wrong_key(villa: Side, empty: Database, tmp_path: Path, trellis: Trellis) -> None:
    made = backed_up(villa, tmp_path, (packing.new_key(tmp_path / "a"),))
    packing.new_key(tmp_path / "b")
    call = ("restore", "--from", tmp_path / "prod" / made.name, "--to", url(empty), "--identity")
    assert "cannot be decrypted with this key" in trellis(*call, tmp_path / "b").err
    (tmp_path / "c").write_text("nothing")
    assert "holds no secret key of age" in trellis(*call, tmp_path / "c").err
    with pytest.raises(OperationError, match="was not written"):
        packing.new_key(tmp_path / "a")


KILLED = """
import sys, time
from pathlib import Path
from tests.operations import test_backup
from trellis.migrator import Target
from trellis.operations.move.sides import Side
side = Side(cluster="villa-db", database=sys.argv[1], target=Target(sys.argv[2]), peer={})
print("begins", flush=True)
test_backup.backed_up(side, Path(sys.argv[3]))
"""


def test_a_killed_backup_is_none_and_leaves_nothing(villa: Side, database: Database, tmp_path: Path) -> None:
    with villa.connect() as connection:
        connection.execute("CREATE TABLE public.held AS SELECT 1")
    with psycopg.connect(**database.parameters()) as holder:
        # The dump waits for this lock, so it is killed in its midst.
        holder.execute("LOCK TABLE public.held")
        conninfo = psycopg.conninfo.make_conninfo("", **database.parameters())
        run = subprocess.Popen(
            [sys.executable, "-c", KILLED, database.name, conninfo, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
        )
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE%'"
        with database.connect() as connection:
            until(lambda: connection.execute(waits).fetchone() == (1,))
            run.send_signal(signal.SIGKILL)
            run.wait()
            assert run.stdout
            run.stdout.close()
            # pg_dump goes with it.
            until(lambda: connection.execute(waits).fetchone() == (0,))
    folder = Folder(tmp_path, "prod")
    assert [path.suffix for path in (tmp_path / "prod").iterdir() if path.is_dir()] == [".partial"]
    assert folder.backups() == []
    made = backed_up(villa, tmp_path)
    assert [one.name for one in folder.backups()] == [made.name]
    assert [path.name for path in (tmp_path / "prod").iterdir() if path.is_dir()] == [made.name]


def until(condition: Any) -> None:
    limit = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    folder = Folder(tmp_path, "prod")
    with (
        folder.made("20261127T000000Z"),
        pytest.raises(OperationError, match="Another backup is being made"),
        folder.made("20261127T000001Z"),
    ):
        pass


def test_an_older_pg_dump_takes_the_way_of_a_newer_libpq() -> None:
    """psycopg's libpq tells of a verified connection what that of PostgreSQL 15 refuses."""
    dsn = "host=127.0.0.1 port=1 user=a dbname=b sslmode=verify-full sslcertmode=allow load_balance_hosts=disable"
    told = SimpleNamespace(info=SimpleNamespace(dsn=dsn))
    program = parts().postgresql / "15" / "bin" / "pg_dump"
    for way, said in ((dsn, "invalid connection option"), (reached(told), "Connection refused")):  # type: ignore[arg-type]
        done = subprocess.run([program, "-d", way], capture_output=True, text=True, check=False)
        assert said in done.stderr


NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def test_days_weeks_and_months() -> None:
    hourly = [NOW - timedelta(hours=hour) for hour in range(24 * 400)]
    kept = sorted(set(hourly) - surplus(hourly, Keep(days=7, weeks=4, months=12), NOW), reverse=True)
    assert kept[:24] == hourly[:24]
    older = [at for at in kept if NOW - at >= timedelta(days=1)]
    days = [at for at in older if NOW - at < timedelta(days=7)]
    assert [(at.day, at.hour) for at in days] == [(25, 23), (24, 23), (23, 23), (22, 23), (21, 23)] or days[
        0
    ].hour == 23
    assert {at.month for at in kept} == set(range(1, 13))
    assert len(kept) < 24 + 7 + 4 + 12
    # What a day's run keeps is what tomorrow's begins with: nothing that is wanted later is lost meanwhile.
    there: set[datetime] = set()
    for hour in range(24 * 400, -1, -1):
        at = NOW - timedelta(hours=hour)
        there.add(at)
        there -= surplus(there, Keep(days=7, weeks=4, months=12), at)
    assert sorted(there, reverse=True) == kept


def test_the_newest_is_never_deleted_nor_what_is_not_ours(tmp_path: Path) -> None:
    old = [NOW - timedelta(days=day) for day in range(900, 1000, 10)]
    nothing = Keep(days=0, weeks=0, months=0)
    assert surplus(old, nothing, NOW) == set(old[1:])
    assert surplus([], nothing, NOW) == set()
    folder = Folder(tmp_path, "prod")
    foreign = tmp_path / "prod" / "20200101T000000Z"
    foreign.mkdir(parents=True)
    (foreign / manifest.FILE).write_text('{"made_by": "somebody"}')
    shutil.copytree(foreign, tmp_path / "prod" / "mine")
    assert folder.backups() == []
    assert PASSWORD not in str(list(tmp_path.rglob("*")))
