"""Moving old buyers into the archive: in batches, beside writers, killed in the middle, and again."""

import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.systems.tudao.conftest import APP, Tudao

EVERYTHING = (
    "SELECT license_id, array_agg(place) FROM (SELECT license_id, 'buyers' AS place FROM buyers"
    " UNION ALL SELECT license_id, 'archive' FROM buyers_archive) AS all_rows GROUP BY 1"
)
RUNS = (
    "SELECT batch_size, batches, rows_moved, rows_left, finished_at IS NOT NULL, run_by FROM archive_runs ORDER BY id"
)


def places(tudao: Tudao) -> dict[str, list[str]]:
    """Licence -> the tables it stands in."""
    return dict(tudao.rows(EVERYTHING))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


def test_refunded_and_expired_buyers_older_than_two_years_move(tudao: Tudao) -> None:
    for status in ("active", "pending_wire", "refunded", "expired"):
        tudao.add(3, status, "2 years 1 hour", f"old-{status}")
        tudao.add(3, status, "2 years -1 hour", f"young-{status}")
    columns = "to_jsonb(b) - '{archived_at,archive_run_id}'::text[]"
    before = tudao.rows(f"SELECT {columns} FROM buyers b WHERE license_id ~ '^old-(refunded|expired)' ORDER BY 1")
    assert tudao.rows("CALL archive_buyers()") == [(6,)]
    assert tudao.rows(f"SELECT {columns} FROM buyers_archive b ORDER BY 1") == before
    assert tudao.value("SELECT count(*) FROM buyers") == 18
    assert all(len(found) == 1 for found in places(tudao).values())
    assert tudao.rows(RUNS) == [(1000, 1, 6, 0, True, "doadmin")]
    assert tudao.value("SELECT count(*) FROM buyers_archive WHERE archive_run_id = 1 AND archived_at <= now()") == 6


def test_batches_are_counted_and_a_second_run_moves_nothing(tudao: Tudao) -> None:
    tudao.add(25, "expired", "3 years")
    assert tudao.rows("CALL archive_buyers(10)") == [(25,)]
    before = tudao.rows("TABLE buyers_archive ORDER BY id")
    assert tudao.rows("CALL archive_buyers(batch_size => 10)") == [(0,)]
    assert tudao.rows("TABLE buyers_archive ORDER BY id") == before
    assert tudao.rows(RUNS) == [(10, 3, 25, 0, True, "doadmin"), (10, 0, 0, 0, True, "doadmin")]


@pytest.mark.parametrize("size", ["0", "-1", "NULL"])
def test_a_batch_of_nothing_is_refused(tudao_of_module: Tudao, size: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="at least 1"):
        tudao_of_module.rows(f"CALL archive_buyers({size})")
    assert tudao_of_module.rows(RUNS) == []


def test_inside_a_transaction_it_does_nothing(tudao: Tudao) -> None:
    tudao.add(3, "expired", "3 years")
    with tudao.connect() as connection, pytest.raises(errors.InvalidTransactionTermination), connection.transaction():
        connection.execute("CALL archive_buyers()")
    assert tudao.value("SELECT count(*) FROM buyers") == 3
    assert tudao.rows(RUNS) == []


def test_a_row_that_somebody_writes_is_passed_over_and_moved_by_the_next_run(tudao: Tudao) -> None:
    tudao.add(5, "expired", "3 years")
    with tudao.connect(APP) as writer, writer.transaction():
        writer.execute("UPDATE buyers SET status = 'active' WHERE license_id = 'NODE-2'")
        writer.execute("UPDATE buyers SET email = 'late@b.example' WHERE license_id = 'NODE-4'")
        assert tudao.rows("CALL archive_buyers(2)") == [(3,)]
    # The one that became active stays, the other takes the change along.
    assert tudao.rows("CALL archive_buyers(2)") == [(1,)]
    assert [row[2:4] for row in tudao.rows(RUNS)] == [(3, 2), (1, 0)]
    assert tudao.rows("SELECT license_id, status FROM buyers") == [("NODE-2", "active")]
    assert tudao.value("SELECT email FROM buyers_archive WHERE license_id = 'NODE-4'") == "late@b.example"


def test_a_column_that_the_archive_lacks_stops_the_run_and_one_that_it_has_moves(tudao: Tudao) -> None:
    tudao.rows("ALTER TABLE buyers ADD COLUMN referrer text")
    tudao.add(3, "expired", "3 years", referrer="'friend-' || n")
    with pytest.raises(errors.UndefinedColumn, match="referrer"):
        tudao.rows("CALL archive_buyers()")
    assert tudao.value("SELECT count(*) FROM buyers") == 3
    tudao.rows("ALTER TABLE buyers_archive ADD COLUMN referrer text")
    assert tudao.rows("CALL archive_buyers()") == [(3,)]
    assert tudao.rows("SELECT referrer FROM buyers_archive ORDER BY 1") == [
        ("friend-1",),
        ("friend-2",),
        ("friend-3",),
    ]


def test_an_archived_licence_is_not_given_again(tudao: Tudao) -> None:
    tudao.add(1, "expired", "3 years")
    tudao.rows("CALL archive_buyers()")
    with pytest.raises(errors.UniqueViolation, match="NODE-1 belongs to an archived buyer"):
        tudao.add(1, "active", "1 day")
    tudao.add(1, "active", "1 day", prefix="new")
    with pytest.raises(errors.UniqueViolation):
        tudao.rows("UPDATE buyers SET license_id = 'NODE-1'", APP)


def test_a_licence_that_is_taken_while_its_buyer_moves_is_refused(tudao: Tudao) -> None:
    tudao.add(1, "expired", "3 years")
    outcome: list[Exception] = []

    def take() -> None:
        try:
            tudao.add(1, "active", "1 day")
        except psycopg.Error as error:
            outcome.append(error)

    thread = threading.Thread(target=take)
    with tudao.connect() as mover, mover.transaction():
        mover.execute("INSERT INTO archive_runs (cutoff, batch_size) VALUES (now(), 1)")
        columns = "id, license_id, wallet, tier, status, payment_method, created_at, updated_at"
        mover.execute(
            f"INSERT INTO buyers_archive ({columns}, archive_run_id) SELECT {columns}, 1 FROM buyers".encode()
        )
        mover.execute("DELETE FROM buyers")
        thread.start()
        wait_for(lambda: bool(_waiting(tudao, "INSERT INTO buyers (license_id%")))
    thread.join(120)
    assert [type(error) for error in outcome] == [errors.UniqueViolation]
    assert places(tudao) == {"NODE-1": ["archive"]}


def _waiting(tudao: Tudao, query: str) -> list[int]:
    """Backends of this database that run such a statement and wait for a lock."""
    found = tudao.database.rows(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        f" AND query LIKE '{query}'"
    )
    return [pid for (pid,) in found]


def _cancel(tudao: Tudao, pid: int) -> None:
    tudao.rows(f"SELECT pg_cancel_backend({pid})")


def _terminate(tudao: Tudao, pid: int) -> None:
    tudao.rows(f"SELECT pg_terminate_backend({pid})")


def _crash(tudao: Tudao, _: int) -> None:
    tudao.database.server.stop(signal.SIGQUIT)
    tudao.database.server.start()


@pytest.mark.parametrize("kill", [_cancel, _terminate, _crash])
def test_killed_in_the_middle_of_a_batch_no_row_is_lost_and_the_next_run_completes(
    tudao: Tudao, kill: Callable[[Tudao, int], None]
) -> None:
    tudao.add(55, "refunded", "3 years")
    tudao.add(5, "active", "3 years", "kept")
    ended: list[Exception] = []

    def archive() -> None:
        try:
            tudao.rows("CALL archive_buyers(10)")
        except psycopg.Error as error:
            ended.append(error)

    run = threading.Thread(target=archive)
    with suppress(psycopg.OperationalError), tudao.connect() as blocker, blocker.transaction(force_rollback=True):
        # The fourth batch waits for the outcome of this one, with some of its rows copied.
        blocker.execute("INSERT INTO archive_runs (cutoff, batch_size) VALUES (now(), 1)")
        columns = "id, license_id, wallet, tier, status, payment_method, refunded_at, created_at, updated_at"
        blocker.execute(
            f"INSERT INTO buyers_archive ({columns}, archive_run_id) SELECT {columns},"
            " (SELECT max(id) FROM archive_runs) FROM buyers WHERE license_id = 'NODE-35'".encode()
        )
        run.start()
        wait_for(lambda: bool(_waiting(tudao, "CALL archive_buyers%")))
        kill(tudao, *_waiting(tudao, "CALL archive_buyers%"))
    run.join(120)
    assert len(ended) == 1

    expected = {f"NODE-{n}": ["archive" if n <= 30 else "buyers"] for n in range(1, 56)}
    expected |= {f"kept-{n}": ["buyers"] for n in range(1, 6)}
    assert places(tudao) == expected
    assert tudao.rows(RUNS) == [(10, 3, 30, None, False, "doadmin")]

    assert tudao.rows("CALL archive_buyers(10)") == [(25,)]
    assert {licence: place for licence, place in places(tudao).items() if place == ["buyers"]} == {
        f"kept-{n}": ["buyers"] for n in range(1, 6)
    }
    assert tudao.rows(RUNS)[1] == (10, 3, 25, 0, True, "doadmin")
    counted = tudao.rows("SELECT archive_run_id, count(*) FROM buyers_archive GROUP BY 1 ORDER BY 1")
    assert counted == tudao.rows("SELECT id, rows_moved FROM archive_runs ORDER BY 1")


def test_beside_writers_and_a_second_archiver_every_row_and_every_committed_change_is_kept(tudao: Tudao) -> None:
    tudao.add(3000, "expired", "3 years")
    done = threading.Event()
    changed: dict[str, str] = {}
    added: list[str] = []
    failures: list[Exception] = []

    def guarded(work: Callable[[], Any]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except Exception as error:
                failures.append(error)

        return threading.Thread(target=run)

    def write(worker: int) -> None:
        with tudao.connect(APP) as connection:
            number = worker
            while not done.is_set():
                number += 2
                licence, name = f"NODE-{3001 - number % 3000}", f"{worker}-{number}"
                if connection.execute("UPDATE buyers SET name = %s WHERE license_id = %s", (name, licence)).rowcount:
                    changed[licence] = name
                connection.execute(
                    "INSERT INTO buyers (license_id, wallet, tier, status, created_at) VALUES"
                    " (%s, '0x' || repeat('1', 40), 'premium', 'expired', now() - interval '3 years')",
                    (f"new-{name}",),
                )
                added.append(f"new-{name}")

    writers = [guarded(lambda worker=worker: write(worker)) for worker in (0, 1)]  # type: ignore[misc]
    for thread in writers:
        thread.start()
    wait_for(lambda: len(added) >= 20)
    archivers = [guarded(lambda: tudao.rows("CALL archive_buyers(50)")) for _ in range(2)]
    for thread in archivers:
        thread.start()
    wait_for(lambda: tudao.value("SELECT coalesce(sum(rows_moved), 0) FROM archive_runs") >= 1000)
    done.set()
    for thread in (*writers, *archivers):
        thread.join(120)
    assert failures == []
    tudao.rows("CALL archive_buyers()")

    assert places(tudao) == {licence: ["archive"] for licence in [f"NODE-{n}" for n in range(1, 3001)] + added}
    names = dict(tudao.rows("SELECT license_id, name FROM buyers_archive WHERE name IS NOT NULL"))
    assert changed
    assert names == changed
    assert tudao.value("SELECT sum(rows_moved) FROM archive_runs") == 3000 + len(added)
