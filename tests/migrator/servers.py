"""Real servers for the tests: a PostgreSQL and a PgBouncer on free loopback ports."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.ports import free_port
from trellis.development.bring import Parts, bring, bring_postgresql, cache_folder

ADMIN = "admin"
PASSWORD = "a very secret password"
_START_LIMIT = 120.0


@cache
def parts() -> Parts:
    """The servers' programs."""
    return bring(droplets=False)


@cache
def _postgresql(version: str) -> Path:
    if (parts().postgresql / version).is_dir():
        return parts().postgresql
    # In a place of its own: what is in the other one the local cloud offers.
    with pytest.MonkeyPatch.context() as at:
        at.setenv("TRELLIS_CACHE", str(cache_folder() / "older"))
        return bring_postgresql((version,))


def as_server_user() -> Mapping[str, Any]:
    """Arguments for subprocess that run a server as somebody PostgreSQL accepts: it refuses root."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextmanager
def server_folder(parent: Path | None = None) -> Iterator[Path]:
    """A temporary folder that belongs to the servers' user. parent: where; None is the system's place for such."""
    folder = Path(tempfile.mkdtemp(prefix="migrator-", dir=parent))
    folder.chmod(0o755)
    owner = as_server_user()
    if owner:
        os.chown(folder, owner["user"], owner["group"])
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class PostgreSQL:
    """One PostgreSQL, its data in a folder of its own, passwords checked by scram. version: the major one."""

    def __init__(self, folder: Path, version: str = "17") -> None:
        self._bin = _postgresql(version) / version / "bin"
        self._data = folder / "data"
        self._log = folder / "log"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run(
            "initdb", "-D", self._data, "-U", ADMIN, "-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8",
            "--locale=C", "--no-sync",
        )  # fmt: skip

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self._bin / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            **as_server_user(),
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stdout}\n{done.stderr}")

    def start(self, changed: Mapping[str, str] | None = None) -> None:
        """Start it and wait until it takes connections. changed: settings other than those of the tests."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 60,
            "shared_preload_libraries": "pg_stat_statements",
            "log_min_messages": "warning",
            **(changed or {}),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, *options],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                **as_server_user(),
            )
        deadline = time.monotonic() + _START_LIMIT
        while True:
            try:
                psycopg.connect(**self.parameters()).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start:\n{self._log.read_text()}") from None
                time.sleep(0.05)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT is a fast shutdown, SIGQUIT an immediate one, after which it has to recover."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_START_LIMIT)
            self._process = None

    def parameters(self, dbname: str = "postgres", user: str = ADMIN, password: str = PASSWORD) -> dict[str, Any]:
        """Parameters of a connection."""
        return {"host": "127.0.0.1", "port": self.port, "dbname": dbname, "user": user, "password": password}

    def connect(self, dbname: str = "postgres", user: str = ADMIN, password: str = PASSWORD) -> psycopg.Connection:
        """Connect, outside any transaction."""
        return psycopg.connect(**self.parameters(dbname, user, password), autocommit=True)


@dataclass(frozen=True)
class Database:
    """A fresh database on the tests' server."""

    server: PostgreSQL
    name: str

    def parameters(self, user: str = ADMIN, password: str = PASSWORD) -> dict[str, Any]:
        """Parameters of a connection."""
        return self.server.parameters(self.name, user, password)

    def connect(self, user: str = ADMIN, password: str = PASSWORD) -> psycopg.Connection:
        """Connect, outside any transaction."""
        return self.server.connect(self.name, user, password)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self.connect() as connection:
            return connection.execute(query.encode()).fetchall()

    def run(self, *statements: str) -> None:
        """Run statements, each on its own."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def snapshot(self) -> dict[str, list[tuple[Any, ...]]]:
        """What migrations have made, and the history without its times."""
        return {**self.snapshot_of_public(), "history": self.history()}

    def snapshot_of_public(self) -> dict[str, list[tuple[Any, ...]]]:
        """Columns, indexes, constraints and row counts."""
        tables = self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return {
            "columns": self.rows(
                "SELECT table_name, column_name, data_type, column_default, is_nullable"
                " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position"
            ),
            "indexes": self.rows(
                "SELECT c.relname, pg_get_indexdef(i.indexrelid), i.indisvalid FROM pg_index i"
                " JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1"
            ),
            "constraints": self.rows(
                "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
            ),
            "rows": [(name, *self.rows(f'SELECT count(*) FROM "{name}"')[0]) for (name,) in tables],
        }

    def history(self) -> list[tuple[Any, ...]]:
        """What the history holds, without times."""
        return self.rows(
            "SELECT installed_rank, version, description, type, script, checksum, success FROM flyway_schema_history"
            " ORDER BY installed_rank"
        )


@contextmanager
def pgbouncer(server: PostgreSQL, mode: str) -> Iterator[int]:
    """A PgBouncer before the server; gives its port."""
    with (
        server_folder() as folder,
        pgbouncer_in(folder, f"* = host=127.0.0.1 port={server.port}", pool_mode=mode) as at,
    ):
        yield at


@contextmanager
def pgbouncer_in(folder: Path, databases: str, *users: str, **settings: object) -> Iterator[int]:
    """A PgBouncer that reads its databases from databases.ini in this folder; gives its port.

    users: who may log in beside the administrator, who may use its console.
    """
    port = free_port()
    listed, config, ways = (folder / name for name in ("users.txt", "pgbouncer.ini", "databases.ini"))
    listed.write_text("".join(f'"{user}" "{PASSWORD}"\n' for user in (ADMIN, *users)))
    ways.write_text(f"[databases]\n{databases}\n")
    given = "".join(f"{name} = {value}\n" for name, value in settings.items())
    config.write_text(
        f"%include {ways}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nadmin_users = {ADMIN}\n"
        f"auth_type = scram-sha-256\nauth_file = {listed}\nlogfile = {folder / 'log'}\n{given}"
    )
    for file in (listed, config, ways):
        file.chmod(0o644)
    process = subprocess.Popen(
        [parts().pgbouncer, config],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        cwd="/",
        **as_server_user(),
    )
    try:
        deadline = time.monotonic() + _START_LIMIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("PgBouncer did not start") from None
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(_START_LIMIT)
