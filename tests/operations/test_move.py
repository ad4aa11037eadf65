"""A database moves between two servers while it is written to."""

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.migrator.servers import PASSWORD, PostgreSQL, server_folder
from tools import ROOT
from trellis.migrator import Target, migrate
from trellis.operations.check.shadow.programs import dump_program
from trellis.operations.errors import OperationError
from trellis.operations.move import copying, cutting, fences, following, keeping, streams, survey
from trellis.operations.move.sides import Pair, Side

ADMIN = "doadmin"
APP = "villa_app"
DATABASE = "villa"
SETTINGS = {"wal_level": "logical", "max_worker_processes": "16"}
INSERT = "INSERT INTO public.profiles (address, nickname, nickname_normalized) VALUES (%s, %s, %s)"


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, PostgreSQL]]:
    with two_servers() as made:
        yield made


@contextmanager
def two_servers(old: str = "17", new: str = "18") -> Iterator[dict[str, PostgreSQL]]:
    """PostgreSQL in two versions, each with an administrator who is no superuser."""
    with ExitStack() as opened:
        made = {}
        for version in (old, new):
            server = PostgreSQL(opened.enter_context(server_folder()), version)
            server.start(SETTINGS)
            opened.callback(server.stop)
            with server.connect() as connection:
                connection.execute(
                    f"CREATE ROLE {ADMIN} LOGIN CREATEROLE CREATEDB REPLICATION PASSWORD '{PASSWORD}';"
                    f"GRANT pg_create_subscription TO {ADMIN};"
                    f"CREATE ROLE {APP} LOGIN PASSWORD '{PASSWORD}'"
                )
            made[version] = server
        yield made


@pytest.fixture
def pair(servers: dict[str, PostgreSQL]) -> Iterator[Pair]:
    with villa_on(servers) as made:
        yield made


@contextmanager
def villa_on(servers: dict[str, PostgreSQL]) -> Iterator[Pair]:
    """Villa with its schema on the first, and an empty database on the second."""
    for server in servers.values():
        with server.connect() as connection:
            connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ADMIN}")
    old, new = (side(server, f"villa-db-{version}") for version, server in servers.items())
    migrate(old.target, ROOT / "migrations" / "villa" / "villa", {"app_role": APP})
    yield (made := Pair(old=old, new=new))
    with old.connect() as here:
        streams.unpublish(here)
    for source, target in ((old, new), (new, old)):
        streams.unsubscribe(made, source, target)
    for server in servers.values():
        with server.connect() as connection:
            connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def side(server: PostgreSQL, cluster: str) -> Side:
    parameters = server.parameters(DATABASE, ADMIN)
    peer = {key: str(value) for key, value in parameters.items()}
    return Side(cluster=cluster, database=DATABASE, target=Target(parameters), peer=peer)


def followed(pair: Pair) -> None:
    """The new side has everything and follows; the old one follows the new one."""
    assert following.follow(pair) == []
    until = time.monotonic() + 120
    for _, progress in following.copies([pair]):
        assert time.monotonic() < until, progress


class Writer(threading.Thread):
    """Writes one row a transaction as the application, on whichever side takes it; `committed` has what was told so."""

    def __init__(self, pair: Pair, number: int) -> None:
        super().__init__(daemon=True)
        self.committed: list[str] = []
        self.refused = 0
        self._sides = (pair.old, pair.new)
        self._number = number
        self._ended = threading.Event()

    def run(self) -> None:
        at, made = 0, 0
        connection = self._connect(at)
        while not self._ended.is_set():
            address = f"{self._number:02}{made:040}"
            try:
                connection.execute(INSERT, (address, f"w{self._number}-{made}", f"w{self._number}-{made}"))
                self.committed.append(address)
                made += 1
            except psycopg.errors.ReadOnlySqlTransaction:
                self.refused += 1
                connection.close()
                at = 1 - at
                connection = self._connect(at)
        connection.close()

    def end(self) -> None:
        self._ended.set()
        self.join(60)

    def _connect(self, at: int) -> psycopg.Connection[Any]:
        parameters = dict(self._sides[at].peer) | {"user": APP}
        return psycopg.connect("", autocommit=True, **parameters)  # type: ignore[arg-type]


@contextmanager
def writing(pair: Pair, writers: int = 4) -> Iterator[list[Writer]]:
    started = [Writer(pair, number) for number in range(writers)]
    for writer in started:
        writer.start()
    try:
        yield started
    finally:
        for writer in started:
            writer.end()


def addresses(end: Side) -> set[str]:
    with end.connect() as connection:
        return {address for (address,) in connection.execute("SELECT address FROM public.profiles").fetchall()}


def test_there_and_back_under_writes_loses_nothing(pair: Pair) -> None:
    there_and_back(pair)


def test_from_the_oldest_version_that_goes_both_ways() -> None:
    with two_servers("16", "17") as servers, villa_on(servers) as pair:
        there_and_back(pair)


def there_and_back(pair: Pair) -> None:
    """Three cuts while four writers write: no row is lost, and both sides have all of them."""
    with writing(pair) as writers:
        followed(pair)
        assert copying.differences(pair) == []
        for to_new in (True, False, True):
            time.sleep(0.5)
            with cutting.cut([pair], to_new=to_new) as done:
                (snapshots,) = done.snapshots
                differences, tables, rows = snapshots.differences()
            assert not differences, [str(one) for one in differences]
            assert tables > 2
            assert rows > 0
            assert cutting.serving(pair) is (pair.new if to_new else pair.old)
        time.sleep(0.5)
    committed = {address for writer in writers for address in writer.committed}
    assert len(committed) > 100
    assert committed <= addresses(pair.new)
    # What was written on the new side is on the old one too: the way back stays open.
    assert cutting.is_close_behind(pair.new, pair.old)
    assert committed <= addresses(pair.old)


def test_no_two_sides_take_writes(pair: Pair) -> None:
    followed(pair)
    with pair.old.connect() as old, pair.new.connect() as new:
        row = ("0" * 42, "a", "a")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction, match="is being moved"):
            new.execute(INSERT, row)
        # A transaction that began, and read, before the cut.
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM public.profiles")
        with cutting.cut([pair], to_new=True):
            pass
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            old.execute(INSERT, row)
        new.execute(INSERT, row)


def test_a_writer_that_does_not_end_stops_the_cut_and_nothing_else(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    followed(pair)
    monkeypatch.setattr(fences, "_PATIENCE", 2.0)
    with pair.old.connect() as writer:
        writer.execute("BEGIN")
        writer.execute(INSERT, ("0" * 42, "a", "a"))
        held_by = f"still takes writes.*{writer.info.backend_pid} \\({ADMIN}\\)"
        with pytest.raises(OperationError, match=held_by), cutting.cut([pair], to_new=True):
            pass
        writer.execute("COMMIT")
        writer.execute(INSERT, ("1" * 42, "b", "b"))
    assert cutting.serving(pair) is pair.old


def test_a_cut_that_was_stopped_goes_on_or_back(pair: Pair) -> None:
    followed(pair)
    for to_new in (False, True):
        with pair.old.connect() as connection:
            fences.close(pair.old, connection)
        assert cutting.serving(pair) is None
        with cutting.cut([pair], to_new=to_new) as done:
            assert done.pause > 0
        assert cutting.serving(pair) is (pair.new if to_new else pair.old)
    with cutting.cut([pair], to_new=True) as again:
        assert not again.snapshots


def test_a_comparison_opens_no_side_that_was_closed(pair: Pair) -> None:
    followed(pair)
    with cutting.held_still(pair) as snapshots:
        differences, _, _ = snapshots.differences()
    assert not differences
    assert cutting.serving(pair) is pair.old
    with pair.old.connect() as connection:
        fences.close(pair.old, connection)
    with pytest.raises(OperationError, match="no side takes writes"), cutting.held_still(pair):
        pass
    assert cutting.serving(pair) is None


def test_the_last_dump_has_every_row_and_opens_again(
    pair: Pair, servers: dict[str, PostgreSQL], tmp_path: Path
) -> None:
    followed(pair)
    with pair.old.connect() as old:
        old.execute(INSERT, ("0" * 42, "a", "a"))
    with cutting.cut([pair], to_new=True):
        pass
    file = keeping.keep(pair.old, tmp_path / "kept")
    assert [one.name for one in file.parent.iterdir()] == ["villa-db-17.villa.dump"]
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    with servers["18"].connect() as connection:
        connection.execute("CREATE DATABASE restored")
    try:
        restore = dump_program("18").with_name("pg_restore")
        target = {**servers["18"].parameters("restored"), "sslmode": "disable"}
        password = {"PGPASSWORD": str(target.pop("password"))}
        where = psycopg.conninfo.make_conninfo("", **target)
        subprocess.run([restore, "--no-publications", "--exit-on-error", "-d", where, file], env=password, check=True)
        with servers["18"].connect("restored") as connection:
            # As it says in docs/move.md.
            connection.execute("DROP SCHEMA trellis_move CASCADE")
            connection.execute(INSERT, ("1" * 42, "b", "b"))
            assert connection.execute("SELECT count(*) FROM public.profiles").fetchone() == (2,)
    finally:
        with servers["18"].connect() as connection:
            connection.execute("DROP DATABASE restored WITH (FORCE)")
    (tmp_path / "full").touch()
    with pytest.raises(OperationError, match="was not dumped, and nothing was deleted"):
        keeping.keep(pair.old, tmp_path / "full")


def test_what_differs_is_named(pair: Pair) -> None:
    followed(pair)
    with pair.new.connect() as new:
        fences.open_(new)
        new.execute(INSERT, ("0" * 42, "a", "a"))
        with pytest.raises(OperationError, match="both take writes"):
            cutting.serving(pair)


def test_what_stands_in_the_way_is_found_before(pair: Pair) -> None:
    with pair.old.connect() as old:
        old.execute(
            "CREATE TABLE public.bare (a int); CREATE UNLOGGED TABLE public.cached (a int PRIMARY KEY);"
            "CREATE TABLE public.forced (a int PRIMARY KEY); ALTER TABLE public.forced ENABLE ROW LEVEL SECURITY,"
            " FORCE ROW LEVEL SECURITY; SELECT lo_create(0)"
        )
    found = survey.source(pair.old)
    assert found.way_back
    assert {finding.where.partition(", ")[2]: finding.blocks for finding in found.findings} == {
        "public.bare": True,
        "public.cached": False,
        "large objects": True,
        "public.forced": True,
    }
    assert "ALTER TABLE public.bare REPLICA IDENTITY FULL" in str(found.findings[0])
    assert survey.target(pair.new, pair.old) == ()


def test_a_stream_that_rests_takes_no_worker_and_loses_nothing(pair: Pair) -> None:
    followed(pair)
    workers = "SELECT count(*) FROM pg_stat_subscription WHERE subname = %s AND pid IS NOT NULL"
    with pair.old.connect() as old, pair.new.connect() as new:
        for resting in (True, False):
            streams.rest(pair, pair.new, resting=resting)
            old.execute(INSERT, (str(int(resting)) * 42, f"r{resting}", f"r{resting}"))
            until = time.monotonic() + 60
            while new.execute(workers, (pair.link,)).fetchone() != (0 if resting else 1,):
                assert time.monotonic() < until
                time.sleep(0.1)
    assert cutting.is_close_behind(pair.old, pair.new)
    assert len(addresses(pair.new)) == 2


def test_a_stream_does_not_begin_anew_within_its_first_copy(pair: Pair) -> None:
    """It would pass over rows: two or three of a thousand were lost, in one of four tries."""
    assert following.follow(pair) == []
    workers = "SELECT pid, relid FROM pg_stat_subscription WHERE subname = %s AND pid IS NOT NULL"
    seen: set[tuple[int, int | None]] = set()
    until = time.monotonic() + 120
    with pair.new.connect() as new, pair.new.connect() as blocking:
        copies = following.copies([pair])
        with blocking.transaction():
            blocking.execute("LOCK TABLE public.profiles IN ACCESS EXCLUSIVE MODE")
            # The one that streams, and the one that the copy of the locked table waits in.
            while len({table for _, table in seen}) < 2:
                assert time.monotonic() < until
                assert next(copies)
                seen |= set(new.execute(workers, (pair.link,)).fetchall())
        for _ in copies:
            assert time.monotonic() < until
            seen |= set(new.execute(workers, (pair.link,)).fetchall())
    assert len({worker for worker, table in seen if table is None}) == 1


# A run of its own, which a test kills: it cuts there and back for as long as it lives.
CUTTER = """
import json, sys
from tests.operations.test_move import Pair, cutting, pair_of
pair = pair_of(json.loads(sys.stdin.read()))
way = cutting.serving(pair) is not pair.new
while True:
    with cutting.cut([pair], to_new=way):
        pass
    way = not way
"""


@pytest.mark.soak(short=3, long=30)
def test_killed_at_random_moments(pair: Pair, rounds: int) -> None:
    """A cut is killed at a random moment, with a writer on each side: no two sides ever take writes, the next cut goes
    on in either direction, and no committed row is lost."""
    counted(pair)
    followed(pair)
    serving, other = killed_at_random_moments(pair, rounds)
    assert cutting.is_close_behind(serving, other)
    assert addresses(serving) == addresses(other)


class Counter(threading.Thread):
    """Counts on, on one side alone, whenever that takes it: were both sides open at once, a number would come twice."""

    def __init__(self, side: Side) -> None:
        super().__init__(daemon=True)
        self.given: list[int] = []
        self._side = side
        self._ended = threading.Event()

    def run(self) -> None:
        with self._side.connect() as connection:
            while not self._ended.is_set():
                try:
                    given = connection.execute("UPDATE public.counter SET n = n + 1 RETURNING n").fetchall()
                    self.given += [n for (n,) in given]
                except psycopg.errors.ReadOnlySqlTransaction:
                    self._ended.wait(0.001)

    def end(self) -> None:
        self._ended.set()
        self.join(60)


def counted(pair: Pair) -> None:
    """Makes what counters count in."""
    with pair.old.connect() as old:
        old.execute(
            "CREATE TABLE public.counter (id int PRIMARY KEY, n bigint); INSERT INTO public.counter VALUES (1, 0)"
        )


def killed_at_random_moments(pair: Pair, rounds: int) -> tuple[Side, Side]:
    """Gives the side that takes writes in the end, and the other."""
    chance = random.Random("cuts")  # noqa: S311
    counters = [Counter(side) for side in (pair.old, pair.new)]
    with writing(pair, 2) as writers:
        for counter in counters:
            counter.start()
        for _ in range(rounds):
            run = subprocess.Popen(
                (sys.executable, "-c", CUTTER), cwd=ROOT, stdin=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL
            )
            assert run.stdin is not None
            run.stdin.write(json.dumps([dict(end.peer) for end in (pair.old, pair.new)]))
            run.stdin.close()
            time.sleep(chance.uniform(0.5, 2))
            run.kill()
            run.wait()
            # Raises where both sides take writes.
            cutting.serving(pair)
            to_new = chance.random() < 0.5
            with cutting.cut([pair], to_new=to_new):
                pass
            assert cutting.serving(pair) is (pair.new if to_new else pair.old)
        for counter in counters:
            counter.end()
    committed = {address for writer in writers for address in writer.committed}
    assert committed
    given = sorted(n for counter in counters for n in counter.given)
    assert all(counter.given for counter in counters)
    assert given == list(range(1, len(given) + 1))
    serving, other = (pair.new, pair.old) if to_new else (pair.old, pair.new)
    assert committed <= addresses(serving)
    with serving.connect() as connection:
        assert connection.execute("SELECT n FROM public.counter").fetchall() == [(len(given),)]
    return serving, other


def pair_of(peers: list[dict[str, str]]) -> Pair:
    """The pair, from the ways to its two sides."""
    old, new = (
        Side(cluster=name, database=DATABASE, target=Target(peer), peer=peer)
        for name, peer in zip(("villa-db-17", "villa-db-18"), peers, strict=True)
    )
    return Pair(old=old, new=new)
