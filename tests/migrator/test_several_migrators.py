"""Several migrators, Flyway's lock, and connection poolers."""

import threading
import time
from collections.abc import Callable

import pytest

from tests.migrator.conftest import Write
from tests.migrator.servers import Database, pgbouncer
from trellis.migrator import MigrationError, Options, Report, Target, migrate
from trellis.migrator.connecting.lock import lock_key
from trellis.migrator.history import HistoryTable

Run = Callable[..., Report]

# Seen in pg_locks while Flyway 13.0.0 migrated public.flyway_schema_history.
FLYWAYS_KEY = 77433833903597


def test_the_key_is_flyways() -> None:
    assert lock_key(HistoryTable("public")) == FLYWAYS_KEY


def test_ten_at_once(database: Database, write: Write) -> None:
    folder = write({f"V{n}__t.sql": f"CREATE TABLE t{n} (a int); SELECT pg_sleep(0.01);" for n in range(1, 31)})
    write({"R__v.sql": "CREATE VIEW v AS SELECT 1;"})
    reports: list[Report] = []
    failures: list[BaseException] = []

    def go() -> None:
        try:
            reports.append(migrate(Target(database.parameters()), folder, {}))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=go) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(len(report.applied) for report in reports) == [0] * 9 + [31]
    assert [row[0] for row in database.history()] == list(range(1, 32))
    assert database.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


GIVES_UP = "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_unlock_all()';"
SLEEPS = "SELECT f(); DO $$ BEGIN PERFORM pg_sleep(${seconds}); EXCEPTION WHEN query_canceled THEN END $$;"
SECOND = {"in a transaction": SLEEPS, "outside": f"-- trellis: no-transaction\n{SLEEPS}"}


@pytest.mark.parametrize("third", ["", "-- trellis: no-transaction\n"])
@pytest.mark.parametrize("second", SECOND)
def test_a_lock_that_a_file_gives_up_is_taken_again(
    database: Database, write: Write, run: Run, second: str, third: str
) -> None:
    seen = "CREATE TABLE seen AS SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();"
    run(write({"V1__f.sql": GIVES_UP, "V2__g.sql": SECOND[second], "V3__h.sql": third + seen}), {"seconds": "0"})
    assert database.rows("SELECT count(*) FROM seen") == [(1,)]
    assert database.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


@pytest.mark.parametrize("third", ["", "-- trellis: no-transaction\n"])
@pytest.mark.parametrize("second", SECOND)
def test_a_lock_that_is_gone_ends_the_run(database: Database, write: Write, run: Run, second: str, third: str) -> None:
    folder = write({"V1__f.sql": GIVES_UP, "V2__g.sql": SECOND[second], "V3__h.sql": f"{third}CREATE TABLE h (a int);"})
    asleep = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    failures: list[MigrationError] = []

    def go() -> None:
        with pytest.raises(MigrationError) as raised:
            run(folder, {"seconds": "600"})
        failures.append(raised.value)

    running = threading.Thread(target=go)
    running.start()
    while not (sleeping := database.rows(asleep)):
        assert running.is_alive()
    with database.connect() as other:
        other.execute(f"SELECT pg_advisory_lock({FLYWAYS_KEY})")
        # It goes on as if the sleep were over.
        other.execute(f"SELECT pg_cancel_backend({sleeping[0][0]})")
        running.join()
    (error,) = failures
    assert "gave up the lock that keeps other migrators out" in str(error)
    assert [row[1] for row in database.history()] == ["1", "2"]


def test_waiting_names_the_holder(database: Database, write: Write, run: Run) -> None:
    folder = write({"V1__x.sql": "SELECT 1;"})
    with database.connect() as holder:
        holder.execute("SET application_name = 'flyway'")
        holder.execute(f"SELECT pg_advisory_lock({FLYWAYS_KEY})")
        with pytest.raises(MigrationError) as raised:
            run(folder, lock_wait=0.2)
        assert f"flyway (pid {holder.info.backend_pid}" in str(raised.value)
        assert "Nothing was changed" in str(raised.value)

        told: list[str] = []
        waiting = threading.Thread(target=lambda: run(folder, progress=told.append))
        waiting.start()
        while not told:
            time.sleep(0.01)
        assert f"pid {holder.info.backend_pid}" in told[0]
        holder.execute(f"SELECT pg_advisory_unlock({FLYWAYS_KEY})")
        waiting.join()
    assert [row[1] for row in database.history()] == ["1"]


def test_nothing_to_do_waits_for_nobody(database: Database, write: Write, run: Run) -> None:
    folder = write({"V1__x.sql": "SELECT 1;"})
    run(folder)
    with database.connect() as holder:
        holder.execute(f"SELECT pg_advisory_lock({FLYWAYS_KEY})")
        assert run(folder, lock_wait=0.0).applied == ()


def test_the_session_says_who_it_is(database: Database, write: Write, run: Run) -> None:
    run(write({"V1__x.sql": "CREATE TABLE x AS SELECT current_setting('application_name') AS name;"}))
    assert database.rows("SELECT name FROM x") == [("trellis-migrator",)]


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_pooler_is_refused(database: Database, write: Write, mode: str) -> None:
    folder = write({"V1__x.sql": "CREATE TABLE x (a int);"})
    with pgbouncer(database.server, mode) as port:
        target = Target(database.parameters() | {"port": port})
        with pytest.raises(MigrationError) as raised:
            migrate(target, folder, {}, Options())
    assert "is a connection pooler, not the server" in str(raised.value)
    assert "Nothing was changed" in str(raised.value)
    assert database.rows("SELECT to_regclass('flyway_schema_history')") == [(None,)]
