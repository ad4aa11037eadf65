"""Throw-away PostgreSQL servers: each is gone, with its data, when the command is, however that ends."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from trellis.operations.check.shadow.administrator import Administrator
from trellis.operations.check.shadow.programs import server_programs
from trellis.operations.errors import OperationError

_SUPERUSER = "trellis shadow"
_PORT = 5432
# Longest path of a Unix socket, in bytes, on Linux and macOS.
_LONGEST_SOCKET = 103
_STOP_LIMIT = 60.0

# Its standard input is a pipe that this command holds the other end of. Whatever ends the command, SIGKILL included,
# closes the pipe; `read` then returns, and server and folder go. Signals meant for the command do not end it before.
_LIFE = r"""
trap '' HUP INT TERM PIPE
cd "$1" || exit
if "$2/initdb" -D "$1/data" -U "$3" -A trust -E UTF8 --locale=C --no-sync >log 2>&1 &&
  "$2/pg_ctl" -D "$1/data" -l log -w -t 60 -o "$4" start >>log 2>&1
then echo ready; else echo failed; fi
read -r _
"$2/pg_ctl" -D "$1/data" -m immediate -w stop >>log 2>&1
cd / && rm -rf "$1"
"""

# Nothing of it has to survive, and nobody reaches it but through a socket in its closed folder.
_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "16MB",
    "max_connections": "20",
}

_CLOSED = "The account it runs as cannot enter {}. Set TMPDIR to a folder that every account may enter, such as /tmp."


class Servers:
    """One throw-away server a major version, started when it is first asked for and ended with the context.

    named: see `server_programs`.
    """

    def __init__(self, named: Path | None = None) -> None:
        self._named = named
        self._stack = ExitStack()
        self._running: dict[str, Server] = {}

    def __enter__(self) -> "Servers":
        return self

    def __exit__(self, *_: object) -> None:
        """End the servers and remove their folders."""
        self._stack.close()

    def of(self, major: str) -> "Server":
        """The server of a major version. Raises OperationError when its programs are missing or it does not start."""
        if major not in self._running:
            self._running[major] = self._stack.enter_context(_started(server_programs(major, self._named)))
        return self._running[major]


@dataclass(frozen=True, kw_only=True)
class Ways:
    """Parameters of connections to a database: as who migrates, and as who may do anything."""

    administrator: Mapping[str, Any]
    superuser: Mapping[str, Any]


class Server:
    """A running throw-away server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def database(self, name: str, administrator: Administrator, roles: Collection[str]) -> Iterator["Ways"]:
        """An empty database for the time of the context.

        roles: who else is there. All are gone afterwards, and so are roles and databases that were made meanwhile, so
        that the next one finds the server as this one did.
        """
        database = sql.Identifier(name)
        with self._connect("template1") as connection:
            before, databases = _roles(connection), _databases(connection)
            for role in sorted({administrator.name, administrator.owner, *roles} - before):
                connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(database))
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(
                    database, sql.Identifier(administrator.owner)
                )
            )
            administrator.appoint(connection, name)
        with self._connect(name) as connection:
            administrator.lend(connection)
        path = administrator.search_path
        options = {} if path is None else {"options": f"-c search_path={_escaped(path)}"}
        try:
            yield Ways(
                administrator={**self._parameters(name, administrator.name), **options},
                superuser=self._parameters(name, _SUPERUSER),
            )
        finally:
            # A server that has died has nothing to clean.
            with suppress(psycopg.OperationalError):
                self._clean(databases, before)

    def _clean(self, databases: frozenset[str], before: frozenset[str]) -> None:
        with self._connect("template1") as connection:
            for made in sorted(_databases(connection) - databases):
                connection.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(made)))
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(made)))
            for role in sorted(_roles(connection) - before):
                connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(role)))
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))

    def _connect(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(**self._parameters(database, _SUPERUSER), autocommit=True)

    def _parameters(self, database: str, user: str) -> Mapping[str, Any]:
        # An address of the environment (PGHOSTADDR) would be preferred to the folder of the socket.
        return {"host": str(self._folder), "hostaddr": "", "port": _PORT, "dbname": database, "user": user}


def _escaped(value: str) -> str:
    # In a connection's options a space parts two of them.
    return value.replace("\\", r"\\").replace(" ", r"\ ")


def _roles(connection: psycopg.Connection[tuple[Any, ...]]) -> frozenset[str]:
    rows = connection.execute("SELECT rolname FROM pg_catalog.pg_roles").fetchall()
    return frozenset(name for (name,) in rows)


def _databases(connection: psycopg.Connection[tuple[Any, ...]]) -> frozenset[str]:
    rows = connection.execute("SELECT datname FROM pg_catalog.pg_database").fetchall()
    return frozenset(name for (name,) in rows)


@contextmanager
def _started(programs: Path) -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="trellis-shadow-")).resolve()
    try:
        account = _account()
        if account:
            os.chown(folder, account["user"], account["group"])
        if len(os.fsencode(folder / f".s.PGSQL.{_PORT}")) > _LONGEST_SOCKET:
            raise OperationError(f"{folder} is too long a path for a Unix socket. Set TMPDIR to a shorter folder.")
        with _living(folder, programs, account):
            yield Server(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _living(folder: Path, programs: Path, account: Mapping[str, Any]) -> Iterator[None]:
    settings = _SETTINGS | {"unix_socket_directories": str(folder)}
    options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
    with subprocess.Popen(
        ["/bin/sh", "-c", _LIFE, "trellis-shadow", str(folder), str(programs), _SUPERUSER, options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        # Ctrl-C goes to every process of the terminal's session; it is this command that decides what follows.
        start_new_session=True,
        text=True,
        **account,
    ) as life:
        if life.stdin is None or life.stdout is None:
            raise AssertionError("both are pipes")
        try:
            if life.stdout.readline() != "ready\n":
                log = folder / "log"
                said = log.read_text(errors="replace") if log.exists() else _CLOSED.format(folder)
                raise OperationError(f"The throw-away PostgreSQL did not start; it is gone again. It said:\n{said}")
            yield
        finally:
            life.stdin.close()
            life.wait(_STOP_LIMIT)


def _account() -> Mapping[str, Any]:
    """Arguments for subprocess: PostgreSQL refuses to run as root, so another account has to."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise OperationError(
        "PostgreSQL does not run as root, and this machine has no account postgres or nobody to run it as. Call the"
        " command as another user. Without a shadow run: --no-shadow."
    )
