"""How many round trips a run takes: what it costs over a network."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.migrator.conftest import Write
from tests.migrator.servers import ADMIN, PASSWORD, Database, PostgreSQL
from trellis.migrator import Target, migrate

ROOT = Path(__file__).resolve().parents[2]

_STARTUP_HAS_NO_TYPE = 4


class CountingProxy:
    """Passes connections on to the server and counts the queries a client sends."""

    def __init__(self, server: PostgreSQL) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.queries = 0
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            upstream = socket.create_connection(("127.0.0.1", self._server.port))
            threading.Thread(target=self._pass_back, args=(upstream, client), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(client, upstream), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        """Every message after the first begins with its type; a simple query is Q, and P starts an extended one."""
        with client.makefile("rb") as stream, server:
            started = False
            while True:
                kind = stream.read(1) if started else b""
                size = stream.read(_STARTUP_HAS_NO_TYPE)
                if len(size) < _STARTUP_HAS_NO_TYPE:
                    return
                body = stream.read(int.from_bytes(size) - len(size))
                self.queries += kind in (b"Q", b"P")
                started = True
                server.sendall(kind + size + body)

    @staticmethod
    def _pass_back(server: socket.socket, client: socket.socket) -> None:
        # Either end may be closed first, by the other thread too.
        with client, suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)


@pytest.fixture
def proxy(server: PostgreSQL) -> Iterator[CountingProxy]:
    """A proxy before the server."""
    found = CountingProxy(server)
    yield found
    found.close()


@pytest.fixture
def through(database: Database, proxy: CountingProxy) -> Callable[[], Target]:
    """The test's database as the proxy shows it."""
    return lambda: Target(database.parameters() | {"port": proxy.port, "sslmode": "disable", "gssencmode": "disable"})


def test_nothing_to_do_takes_one_connection_and_two_round_trips(
    proxy: CountingProxy, through: Callable[[], Target], write: Write
) -> None:
    folder = write({f"V{n}__t.sql": f"CREATE TABLE t{n} (a int);" for n in range(1, 51)})
    migrate(through(), folder, {})
    proxy.queries = proxy.connections = 0
    assert migrate(through(), folder, {}).applied == ()
    assert (proxy.connections, proxy.queries) == (1, 2)


def test_nothing_to_do_loads_little(database: Database, write: Write) -> None:
    folder = write({"V1__t.sql": "CREATE TABLE t (a int);"})
    url = f"postgresql://{ADMIN}@127.0.0.1:{database.server.port}/{database.name}"
    program = (
        "import sys; from trellis.operations.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "migrate", "--url", url, "--folder", str(folder)]

    def loaded() -> set[str]:
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return set(done.stderr.splitlines()[-1].split())

    assert {"psycopg", "trellis.migrator.sql.splitter", "trellis.migrator.running.execution"} <= loaded()
    again = loaded()
    assert "psycopg" in again
    assert not again & {"trellis.migrator.sql.splitter", "trellis.migrator.running.execution", "trellis.settings"}
    assert not again & {"pulumi", "pydantic", "yaml"}


def test_hundreds_of_files_take_a_few(proxy: CountingProxy, through: Callable[[], Target], write: Write) -> None:
    files = 500
    folder = write({f"V{n}__t.sql": f"CREATE TABLE t{n} (a int);\nCREATE INDEX ON t{n} (a);" for n in range(files)})
    assert len(migrate(through(), folder, {}).applied) == files
    assert proxy.queries < 40
