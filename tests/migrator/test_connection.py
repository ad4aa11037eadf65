"""How a run holds its connection, and what it leaves of it."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.migrator.conftest import Write
from tests.migrator.servers import Database
from trellis.migrator import MigrationError, Options, Target, baseline, clean, migrate, repair
from trellis.migrator.connecting.connection import Connection, Session
from trellis.migrator.connecting.lock import acquire

LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
AT_ONCE = Options(lock_wait=0)


def _fails(target: Target, folder: Path) -> None:
    (folder / "V2__y.sql").write_text("CREATE TABLE y (a int); SELECT 1 / 0;")
    with pytest.raises(MigrationError, match="division by zero"):
        migrate(target, folder, {})


RUNS: dict[str, Callable[[Target, Path], object]] = {
    "migrate": lambda target, folder: migrate(target, folder, {}),
    "a migration that fails": _fails,
    "repair": lambda target, folder: (migrate(target, folder, {}), repair(target, folder, {}, AT_ONCE)),
    "baseline": lambda target, _: baseline(target, "1"),
    "clean": lambda target, _: clean(target),
}


@pytest.mark.parametrize("run", RUNS)
def test_the_lock_is_free_before_the_connection_closes(
    database: Database, write: Write, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    left_open: list[Connection] = []

    def leave_open(self: Connection) -> None:
        left_open.append(self)

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "close", leave_open)
        RUNS[run](Target(database.parameters()), write({"V1__x.sql": "CREATE TABLE x (a int);"}))
    free = database.rows(LOCKS)
    for connection in left_open:
        connection.close()
    assert left_open
    assert free == [(0,)]


def test_in_a_failed_transaction_too(database: Database) -> None:
    with Session.open(Target(database.parameters())) as session:
        acquire(session.connection, session.table, AT_ONCE)
        assert database.rows(LOCKS) == [(1,)]
        session.connection.pgconn.exec_(b"BEGIN; SELECT 1 / 0")
        session.connection.unlock()
        assert database.rows(LOCKS) == [(0,)]


def test_a_lost_connection_ends_quietly(database: Database) -> None:
    with Session.open(Target(database.parameters())) as session:
        acquire(session.connection, session.table, AT_ONCE)
        database.rows(f"SELECT pg_terminate_backend({session.facts.backend_pid}, 60000)")


def test_a_silent_network_is_noticed(database: Database) -> None:
    with (
        Target(database.parameters()).connect() as connection,
        socket.socket(fileno=os.dup(connection.fileno())) as found,
    ):
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert [found.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [30, 10, 3, 60_000]


def test_the_connection_string_may_say_otherwise(database: Database) -> None:
    target = Target({**database.parameters(), "keepalives_idle": 7})
    with target.connect() as connection, socket.socket(fileno=os.dup(connection.fileno())) as found:
        assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 7
