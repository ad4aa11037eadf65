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
