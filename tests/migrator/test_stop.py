"""A run that another thread stops."""

import threading
import time
from pathlib import Path

import pytest

from tests.migrator.conftest import Write
from tests.migrator.servers import Database
from trellis.migrator import MigrationError, Options, Stop, Target, migrate
from trellis.migrator.connecting.lock import lock_key

ASLEEP = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"


class Running:
    """A run in a thread of its own."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.stop = Stop()
        self.told: list[str] = []
        self.error: MigrationError | None = None
        self._database = database
        self._folder = folder
        self._thread = threading.Thread(target=self._go)
        self._thread.start()

    def _go(self) -> None:
        try:
            migrate(
                Target(self._database.parameters()),
                self._folder,
                {},
                Options(stop=self.stop, progress=self.told.append, lock_timeout=0.05, retry_delay=600.0),
            )
        except MigrationError as error:
            self.error = error

    def stopped(self) -> MigrationError:
        """Stop it; the error it ends with."""
        self.stop.set()
        self._thread.join()
        assert self.error is not None
        return self.error


@pytest.mark.parametrize("head", ["", "-- trellis: no-transaction\n"])
def test_a_statement_is_cancelled(database: Database, write: Write, head: str) -> None:
    folder = write({"V1__x.sql": "CREATE TABLE x (a int);", "V2__x.sql": f"{head}SELECT pg_sleep(600);"})
    running = Running(database, folder)
    while database.rows(ASLEEP) == [(0,)]:
        time.sleep(0.02)
    error = running.stopped()
    assert (error.file, error.sqlstate) == (str(folder / "V2__x.sql"), "57014")
    assert "Nothing of V2__x.sql was kept" in str(error)
    assert "ersion 1 is current" in str(error)
    assert database.rows(ASLEEP) == [(0,)]
    write({"V2__x.sql": f"{head}SELECT 1;"})
    assert migrate(Target(database.parameters()), folder, {}).current_version == "2"


def test_a_wait_for_the_migration_lock_ends(database: Database, write: Write) -> None:
    with database.connect() as holder:
        key = lock_key(Target(database.parameters()).history_table)
        holder.execute(f"SELECT pg_advisory_lock({key})")
        running = Running(database, write({"V1__x.sql": "CREATE TABLE x (a int);"}))
        while not running.told:
            time.sleep(0.02)
        assert "Stopped while another migrator held the lock" in str(running.stopped())


def test_a_pause_before_another_try_ends(database: Database, write: Write) -> None:
    database.run("CREATE TABLE x (a int)", "CREATE SCHEMA other")
    with database.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE x")
        target = Target(database.parameters())
        folder = write({"V2__x.sql": "ALTER TABLE x ADD COLUMN b int;"})
        with pytest.raises(MigrationError):
            migrate(target, folder, {}, Options(baseline_version="1", lock_timeout=0.05, retries=0))
        running = Running(database, folder)
        while not running.told:
            time.sleep(0.02)
        assert "Trying again in 600 s" in running.told[0]
        assert running.stopped().sqlstate == "55P03"


def test_a_run_that_comes_later_changes_nothing(database: Database, write: Write) -> None:
    stop = Stop()
    stop.set()
    with pytest.raises(MigrationError, match="The run was stopped"):
        migrate(Target(database.parameters()), write({"V1__x.sql": "SELECT 1;"}), {}, Options(stop=stop))
    assert database.rows("SELECT to_regclass('flyway_schema_history')") == [(None,)]
