"""Migrations that cannot run in one transaction."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.migrator.conftest import Write
from tests.migrator.servers import Database
from trellis.migrator import MigrationError, Options, Report, Target, migrate
from trellis.migrator.history import Unfinished

Run = Callable[..., Report]

TABLE = "CREATE TABLE t (a int, b int);\nINSERT INTO t SELECT n, n % 7 FROM generate_series(1, 200) n;"


def invalid(database: Database) -> list[tuple[Any, ...]]:
    return database.rows("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1")


def definitions(database: Database) -> list[tuple[Any, ...]]:
    return database.rows("SELECT indexname FROM pg_indexes WHERE tablename = 't' ORDER BY 1")


def left_by_an_earlier_run(database: Database, done: int, begun: bool) -> None:
    """Make the newest row look as a run leaves it that was killed there."""
    time_left = Unfinished(done, begun).execution_time
    database.run(
        f"UPDATE flyway_schema_history SET success = false, execution_time = {time_left}"
        " WHERE installed_rank = (SELECT max(installed_rank) FROM flyway_schema_history)"
    )


def test_statements_that_run_outside_a_transaction(database: Database, write: Write, run: Run) -> None:
    folder = write(
        {
            "V1__t.sql": TABLE,
            "V2__index.sql": (
                "SET maintenance_work_mem = '32MB';\n"
                "CREATE INDEX CONCURRENTLY i ON t (a);\n"
                "UPDATE t SET b = 0;\n"
                "REINDEX TABLE CONCURRENTLY t;\nVACUUM t;\n"
                'DROP INDEX CONCURRENTLY i;\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "U i" ON t (a)'
            ),
            "V3__after.sql": "CREATE TABLE after (a int);",
        }
    )
    assert run(folder).current_version == "3"
    assert definitions(database) == [("U i",)]
    assert [row[6] for row in database.history()] == [True, True, True]
    assert database.rows("SELECT min(execution_time) >= 0 FROM flyway_schema_history") == [(True,)]
    assert run(folder).applied == ()


def test_the_setting_beside_a_file(database: Database, write: Write, run: Run) -> None:
    folder = write(
        {
            "V1__p.sql": (
                "CREATE TABLE t (a int);\nCREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN\n"
                "FOR n IN 1..3 LOOP INSERT INTO t VALUES (n); COMMIT; END LOOP; END $$;"
            ),
            "V2__call.sql": "CALL p();",
        }
    )
    with pytest.raises(MigrationError, match="invalid transaction termination"):
        run(folder)
    write({"V2__call.sql.conf": "executeInTransaction=false"})
    assert run(folder).current_version == "2"
    assert database.rows("SELECT count(*) FROM t") == [(3,)]
    write({"V3__i.sql": "CREATE INDEX CONCURRENTLY i ON t (a);", "V3__i.sql.conf": "executeInTransaction=true"})
    with pytest.raises(MigrationError, match=r"V3__i\.sql\.conf asks for one"):
        run(folder)


def test_a_failure_leaves_a_row_that_says_so_and_the_next_run_goes_on(
    database: Database, write: Write, run: Run
) -> None:
    folder = write(
        {
            "V1__t.sql": TABLE,
            "V2__index.sql": (
                "CREATE INDEX CONCURRENTLY one ON t (a);\nINSERT INTO t VALUES (0, 0);\n"
                "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS\n  two ON t (b);\nINSERT INTO t VALUES (0, 1000);\n"
            ),
        }
    )
    with pytest.raises(MigrationError) as raised:
        run(folder)
    error = raised.value
    assert (error.line, error.sqlstate) == (3, "23505")
    assert "is duplicated" in str(error)
    assert "The first 2 of 4 statements of V2__index.sql are done and stay" in str(error)
    assert "the next run goes on from line 3" in str(error)
    assert "ersion 1 is current" in str(error)
    assert [(row[1], row[6]) for row in database.history()] == [("1", True), ("2", False)]
    assert invalid(database) == [], "the half-built index is not left behind"

    database.run("DELETE FROM t", "INSERT INTO t VALUES (1, 1)")
    assert [done.version for done in run(folder).applied] == ["2"]
    assert definitions(database) == [("one",), ("two",)]
    assert database.rows("SELECT a, b FROM t ORDER BY b") == [(1, 1), (0, 1000)]
    assert [(row[0], row[1], row[6]) for row in database.history()] == [(1, "1", True), (2, "2", True)]


def test_a_first_statement_that_fails_leaves_the_file_free_to_change(
    database: Database, write: Write, run: Run
) -> None:
    folder = write({"V1__t.sql": TABLE, "V2__index.sql": "CREATE INDEX CONCURRENTLY i ON t (nope);"})
    with pytest.raises(MigrationError) as raised:
        run(folder)
    assert (raised.value.line, raised.value.column, raised.value.sqlstate) == (1, 1, "42703")
    assert "Nothing of V2__index.sql was kept" in str(raised.value)
    write({"V2__index.sql": "CREATE INDEX CONCURRENTLY i ON t (a);"})
    (done,) = run(folder).applied
    assert database.history()[-1][5:] == (done.checksum, True)


@pytest.mark.parametrize("clause", ["", "IF NOT EXISTS "])
def test_an_invalid_index_left_over_is_built_again(database: Database, write: Write, run: Run, clause: str) -> None:
    run(write({"V1__t.sql": TABLE}))
    with pytest.raises(Exception, match="duplicated"):
        database.run('CREATE UNIQUE INDEX CONCURRENTLY "left over" ON t (b)')
    assert invalid(database) == [('"left over"',)]
    told: list[str] = []
    run(write({"V2__index.sql": f'CREATE INDEX CONCURRENTLY {clause}"left over" ON t (b);'}), progress=told.append)
    assert invalid(database) == []
    assert definitions(database) == [("left over",)]
    assert any("is INVALID" in line for line in told)


def test_a_lock_timeout_and_the_index_it_leaves(database: Database, write: Write, run: Run) -> None:
    run(write({"V1__t.sql": TABLE}))
    folder = write({"V2__index.sql": "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);"})
    with database.connect() as old:
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        old.execute("INSERT INTO t VALUES (0, 0)")
        with pytest.raises(MigrationError) as raised:
            run(folder, concurrent_lock_timeout=0.1, retries=1, retry_delay=0.01)
        assert raised.value.sqlstate == "55P03"
        assert "Tried 2 times" in str(raised.value)
        assert invalid(database) == [("i",)], "to drop it one has to wait for the same transaction"
    assert run(folder).current_version == "2"
    assert definitions(database) == [("i",)]
    assert invalid(database) == []


def test_an_older_transaction_that_a_build_waits_for_is_named(database: Database, write: Write, run: Run) -> None:
    run(write({"V1__t.sql": TABLE}))
    folder = write({"V2__index.sql": "CREATE INDEX CONCURRENTLY i ON t (a);"})
    with database.connect() as old:
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT 1")
        with pytest.raises(MigrationError) as raised:
            run(folder, concurrent_lock_timeout=0.1, retries=0)
        assert f"It waits for older transactions; the oldest is that of pid {old.info.backend_pid} (" in str(
            raised.value
        )
    assert run(folder).current_version == "2"
    assert invalid(database) == []


INDEX_FILE = (
    "SET maintenance_work_mem = '32MB';\nCREATE INDEX CONCURRENTLY i ON t (a);\nINSERT INTO t VALUES (0, 0);\n"
    "DROP INDEX CONCURRENTLY i;\nVACUUM t;\nREINDEX TABLE CONCURRENTLY t;\n"
)


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("done", range(6))
def test_a_run_that_was_cut_off_anywhere_is_finished(
    database: Database, write: Write, run: Run, done: int, begun: bool
) -> None:
    """begun: the statement had taken effect, and the note about it was not written any more."""
    folder = write({"V1__t.sql": TABLE, "V2__i.sql": INDEX_FILE})
    run(folder)
    expected = database.snapshot()
    taken = [None, "CREATE INDEX i ON t (a)", "INSERT INTO t VALUES (0, 0)", "DROP INDEX i", None, None]
    database.run("DELETE FROM t WHERE a = 0", *filter(None, taken[: done + begun]))
    if begun and done in (0, 2):
        # SET and INSERT share a transaction with their note: they cannot be done without it.
        left_by_an_earlier_run(database, done + 1, False)
    else:
        left_by_an_earlier_run(database, done, begun)
    assert [row.version for row in run(folder).applied] == ["2"]
    assert database.snapshot() == expected


def test_a_detachment_cut_off_is_finished(database: Database, write: Write, run: Run) -> None:
    folder = write(
        {
            "V1__.sql": "CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE c PARTITION OF p FOR VALUES IN (1)",
            "V2__d.sql": "ALTER TABLE p DETACH PARTITION c CONCURRENTLY;",
        }
    )
    run(folder)
    left_by_an_earlier_run(database, 0, True)
    assert [done.version for done in run(folder).applied] == ["2"]

    database.run("ALTER TABLE p ATTACH PARTITION c FOR VALUES IN (1)")
    left_by_an_earlier_run(database, 0, True)
    with database.connect() as reader, database.connect() as detacher:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT * FROM p")
        detacher.execute("SET statement_timeout = 200")
        with pytest.raises(Exception, match="statement timeout"):
            detacher.execute("ALTER TABLE p DETACH PARTITION c CONCURRENTLY")
    assert database.rows("SELECT inhdetachpending FROM pg_inherits") == [(True,)]
    assert [done.version for done in run(folder).applied] == ["2"]
    assert database.rows("SELECT count(*) FROM pg_inherits") == [(0,)]

    database.run("ALTER TABLE p ATTACH PARTITION c DEFAULT")
    write({"V3__d.sql": "ALTER TABLE p DETACH PARTITION c CONCURRENTLY;"})
    with pytest.raises(MigrationError, match="cannot detach partitions concurrently when a default partition exists"):
        run(folder)


def test_a_call_cut_off_is_not_guessed_about(database: Database, write: Write, run: Run) -> None:
    folder = write(
        {
            "V1__p.sql": "CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1';",
            "V2__call.sql": "-- a comment\n  CALL p();\nVACUUM;",
        }
    )
    run(folder)
    left_by_an_earlier_run(database, 0, True)
    with pytest.raises(MigrationError) as raised:
        run(folder)
    error = raised.value
    assert (error.line, error.column) == (2, 3)
    assert "whether it took effect cannot be told" in error.message
    assert error.hint is not None
    advice = dict(line.split(": ", 1) for line in error.hint.splitlines())
    database.run(advice["To go on after it"])
    assert [done.version for done in run(folder).applied] == ["2"]
    left_by_an_earlier_run(database, 0, True)
    database.run(advice["To have it run again"])
    assert [done.version for done in run(folder).applied] == ["2"]


def test_an_index_somebody_else_is_building_is_not_dropped(database: Database, write: Write, run: Run) -> None:
    run(write({"V1__t.sql": TABLE}))
    folder = write({"V2__index.sql": "CREATE INDEX CONCURRENTLY i ON t (a);"})
    with database.connect() as old, database.connect() as builder:
        old.execute("BEGIN")
        old.execute("INSERT INTO t VALUES (0, 0)")
        building = threading.Thread(target=lambda: builder.execute("CREATE INDEX CONCURRENTLY i ON t (a)"))
        building.start()
        while not invalid(database):
            time.sleep(0.02)
        with pytest.raises(MigrationError) as raised:
            run(folder)
        assert f"Session {builder.info.backend_pid} is building the index" in str(raised.value)
        assert raised.value.file == str(folder / "V2__index.sql")
        old.execute("ROLLBACK")
        building.join()
    assert invalid(database) == []


def test_two_migrators_while_an_index_is_built(database: Database, write: Write) -> None:
    """One that waits inside the server for the lock would hold a snapshot, and both would wait for each other."""
    folder = write({"V1__t.sql": TABLE, "V2__i.sql": "SELECT pg_sleep(0.3);\nCREATE INDEX CONCURRENTLY i ON t (a);"})
    reports: list[Report] = []
    options = Options(retries=0)

    def go() -> None:
        reports.append(migrate(Target(database.parameters()), folder, {}, options))

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(report.applied) for report in reports) == [0, 0, 2]
    assert invalid(database) == []
