"""PgBouncer's administration console."""

import select
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq
from psycopg.rows import dict_row

from localcloud.servers.access import CONSOLE, CONSOLE_USER
from localcloud.waiting import until

Row = dict[str, Any]

LOGIN_TIMEOUT = 15
"""Seconds that a client may take to log in."""


@dataclass(frozen=True, kw_only=True)
class Console:
    """Commands to a running PgBouncer over its UNIX socket. Every method may raise psycopg.Error."""

    sockets: Path
    port: int
    password: str = field(repr=False)

    def execute(self, command: str) -> list[Row]:
        with closing(self._connect()) as connection:
            cursor = connection.execute(command.encode())
            return cursor.fetchall() if cursor.description is not None else []

    def pools(self) -> dict[str, Row]:
        """SHOW DATABASES by name, without the console itself."""
        return {row["name"]: row for row in self.execute("SHOW DATABASES") if row["name"] != CONSOLE}

    def clients(self) -> list[Row]:
        return [row for row in self.execute("SHOW CLIENTS") if row["database"] != CONSOLE]

    def statistics(self) -> list[Row]:
        return [row for row in self.execute("SHOW POOLS") if row["database"] != CONSOLE]

    def shut(self, pools: Iterable[str]) -> None:
        """Admit nobody to the pools any more, and return when nobody is on the way in."""
        names = {name for name in pools if not self.pools()[name]["disabled"]}
        for name in names:
            self.execute(f'DISABLE "{name}"')
        until(lambda: not names or not self._on_the_way(names), LOGIN_TIMEOUT + 5.0)

    def end(self, clients: Iterable[Row]) -> None:
        """End clients, one by one: PgBouncer, 1.26 too, crashes at times when a pool ends whose clients come and go."""
        for client in clients:
            # It may have gone by itself.
            with suppress(psycopg.errors.ProtocolViolation):
                self.execute(f"KILL_CLIENT {client['id']}")

    def pause(self, pools: Sequence[str], seconds: float) -> None:
        """Let the pools' running transactions end, `seconds` at most, and make clients wait until `resume`."""
        deadline = time.monotonic() + seconds
        with ExitStack() as stack:
            connections = [stack.enter_context(closing(self._connect())) for _ in pools]
            for connection, pool in zip(connections, pools, strict=True):
                connection.pgconn.send_query(f'PAUSE "{pool}"'.encode())
                connection.pgconn.flush()
            for connection in connections:
                _await_answer(connection.pgconn, deadline)

    def resume(self) -> None:
        """Let the clients of every paused pool go on."""
        for name, row in self.pools().items():
            if row["paused"]:
                self.execute(f'RESUME "{name}"')

    def _on_the_way(self, pools: set[str]) -> bool:
        return any(row["state"] == "login" and row["database"] in pools for row in self.execute("SHOW SOCKETS"))

    def _connect(self) -> psycopg.Connection[Row]:
        return psycopg.connect(
            host=str(self.sockets),
            port=self.port,
            user=CONSOLE_USER,
            password=self.password,
            dbname=CONSOLE,
            autocommit=True,
            connect_timeout=30,
            row_factory=dict_row,
        )


def _await_answer(connection: pq.abc.PGconn, deadline: float) -> None:
    while connection.is_busy():
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not select.select([connection.socket], [], [], remaining)[0]:
            return
        connection.consume_input()
