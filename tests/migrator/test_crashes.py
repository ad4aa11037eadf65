"""Killed at any moment, the next run finishes."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.migrator.conftest import Write
from tests.migrator.servers import Database, PostgreSQL, server_folder
from trellis.migrator import MigrationError, Report, Target, migrate

Run = Callable[..., Report]

PROGRAM = """
import json, signal, sys
from pathlib import Path
from trellis.migrator import Target, migrate
parameters, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
# A shell that starts the tests in the background has its children ignore interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
print("ready", flush=True)
migrate(Target(parameters), folder, {})
"""


def files() -> dict[str, str]:
    found = {
        f"V{n}__t.sql": (
            f"CREATE TABLE t{n} (a int PRIMARY KEY, b text);\n"
            f"INSERT INTO t{n} SELECT g, repeat('x', 20) FROM generate_series(1, 500) g;\n"
            f"CREATE INDEX t{n}_b ON t{n} (b);\nSELECT pg_sleep(0.002);\n"
        )
        for n in range(1, 41)
    }
    for n in (10, 20, 30):
        found[f"V{n}__t.sql"] += (
            f"CREATE INDEX CONCURRENTLY t{n}_c ON t{n} (a, b);\nUPDATE t{n} SET b = 'y' WHERE a < 10;\n"
            f"DROP INDEX CONCURRENTLY t{n}_b;\nREINDEX TABLE CONCURRENTLY t{n};\n"
        )
    found["R__v.sql"] = "CREATE OR REPLACE VIEW v AS SELECT count(*) FROM t40;"
    return found


@pytest.fixture
def undisturbed(database: Database, write: Write, run: Run) -> dict[str, list[tuple[object, ...]]]:
    """What a run that nobody disturbs makes of the files; the database is empty again after it."""
    run(write(files()))
    expected = database.snapshot()
    clear(database)
    return expected


def clear(database: Database) -> None:
    database.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")


def start(database: Database, folder: Path) -> subprocess.Popen[str]:
    """A migrator in a process of its own, about to connect."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(database.parameters()), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def wait_for_rows(database: Database, process: subprocess.Popen[str], wanted: int) -> int:
    """Wait until the history has that many rows, or the migrator has ended; how many there are then."""
    with database.connect() as connection:
        while True:
            ended = process.poll() is not None
            made = connection.execute("SELECT to_regclass('flyway_schema_history') IS NOT NULL").fetchone() == (True,)
            found = connection.execute("SELECT count(*) FROM flyway_schema_history").fetchone() if made else None
            rows = found[0] if found else 0
            if ended or rows >= wanted:
                return int(rows)


@pytest.mark.soak(short=20, long=200)
def test_the_migrator_is_killed(
    database: Database, write: Write, run: Run, undisturbed: dict[str, list[tuple[object, ...]]], rounds: int
) -> None:
    """The migrator is killed at random moments in the middle of 41 files, some of them not transactional: the next
    runs give the same schema, rows and history as one that nobody disturbed."""
    folder = write(files())
    chance = random.Random(20260105)  # noqa: S311
    killed_at: set[int] = set()
    kills = 0
    while kills < rounds:
        process = start(database, folder)
        killed_at.add(wait_for_rows(database, process, chance.randint(0, len(files()))))
        time.sleep(chance.uniform(0, 0.02))
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        if chance.random() < 0.5:
            continue
        run(folder)
        assert database.snapshot() == undisturbed, f"after {kills} kills"
        clear(database)
    run(folder)
    assert database.snapshot() == undisturbed
    assert len(killed_at) > 1, "the kills fell on different moments"


@pytest.fixture
def own_server() -> Iterator[PostgreSQL]:
    """A server that may be crashed."""
    with server_folder() as folder:
        postgresql = PostgreSQL(folder)
        postgresql.start()
        try:
            yield postgresql
        finally:
            postgresql.stop()


@pytest.mark.soak(short=3, long=20)
def test_the_server_crashes(
    own_server: PostgreSQL, write: Write, undisturbed: dict[str, list[tuple[object, ...]]], rounds: int
) -> None:
    """PostgreSQL crashes in the middle of the same files: started again, the next run gives the same."""
    folder = write(files())
    chance = random.Random(7)  # noqa: S311
    target = Target(own_server.parameters())
    database = Database(own_server, "postgres")
    for _ in range(rounds):
        process = start(database, folder)
        wait_for_rows(database, process, chance.randint(1, len(files()) - 10))
        own_server.stop(signal.SIGQUIT)
        _, said = process.communicate()
        own_server.start()
        if process.returncode:
            assert "trellis.migrator.errors.MigrationError" in said
        migrate(target, folder, {})
        assert database.snapshot() == undisturbed
        clear(database)


def test_the_connection_is_cut(database: Database, write: Write, run: Run) -> None:
    folder = write(
        {
            "V1__x.sql": "CREATE TABLE x (a int);",
            "V2__cut.sql": "CREATE TABLE y (a int);\nSELECT pg_terminate_backend(pg_backend_pid());",
        }
    )
    with pytest.raises(MigrationError) as raised:
        run(folder)
    error = raised.value
    assert (error.file, error.line, error.sqlstate) == (str(folder / "V2__cut.sql"), 2, "57P01")
    assert "The server undoes by itself what it had not committed" in str(error)
    assert [row[1] for row in database.history()] == ["1"]
    assert database.rows("SELECT to_regclass('y')") == [(None,)]
    write({"V2__cut.sql": "CREATE TABLE y (a int);"})
    assert run(folder).current_version == "2"


def test_an_interrupted_run_cancels_its_statement(database: Database, write: Write, run: Run) -> None:
    folder = write({"V1__x.sql": "CREATE TABLE x (a int);", "V2__long.sql": "SELECT pg_sleep(600);"})
    process = start(database, folder)
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    while database.rows(asleep) == [(0,)]:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert said.rstrip().endswith("KeyboardInterrupt")
    while database.rows(asleep) != [(0,)]:
        time.sleep(0.02)
    assert [row[1] for row in database.history()] == ["1"]
    write({"V2__long.sql": "SELECT 1;"})
    assert run(folder).current_version == "2"
