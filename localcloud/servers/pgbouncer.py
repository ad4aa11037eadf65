"""The PgBouncer process of a cluster."""

import ipaddress
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from localcloud import files
from localcloud.servers import ports, processes, sockets
from localcloud.servers.access import CONSOLE_USER, admits, networks, pooler_rules
from localcloud.servers.console import LOGIN_TIMEOUT, Console, Row
from localcloud.servers.errors import NotRunning, ServerError, StartFailed
from localcloud.servers.processes import Process
from localcloud.servers.server import Server
from localcloud.servers.specs import PoolSpec

MAX_CLIENTS = 5000
"""Client connections a pooler accepts: far more than any pool's server connections, they only wait."""

# PgBouncer takes the limit on open files it is given; the shell raises it to what the machine allows. Its files are its
# own business.
WITH_MORE_FILES = ("/bin/sh", "-c", 'umask 077; ulimit -n "$(ulimit -H -n)" 2>/dev/null; exec "$@"', "sh")


@dataclass(frozen=True, kw_only=True)
class PoolerSettings:
    """What a pooler serves and to whom.

    verifiers: SCRAM verifier by user. With the verifier the server itself holds, PgBouncer can log in as a user whose
        password it never learns.
    """

    pools: tuple[PoolSpec, ...]
    trusted_sources: tuple[str, ...]
    verifiers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Pooler(Server):
    """PgBouncer in front of the PostgreSQL server in `folder`; its own files are in `folder/pgbouncer`."""

    LOG = "pgbouncer.log"
    PATIENCE = 60.0
    STOP_STEPS = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 10.0))

    server_port: int
    program: Path
    console_password: str = field(repr=False)

    @property
    def home(self) -> Path:
        return self.folder / "pgbouncer"

    @property
    def pidfile(self) -> Path:
        return self.home / "pgbouncer.pid"

    @property
    def console(self) -> Console:
        return Console(sockets=sockets.socket_folder(self.folder), port=self.port, password=self.console_password)

    def process(self) -> Process | None:
        # One that an earlier version of the local cloud started has no file.
        return super().process() or next(iter(processes.within(self.home)), None)

    def start(self, settings: PoolerSettings) -> None:
        """Start, or bring what already runs here to these settings. Raises PortTaken, StartFailed."""
        sockets.create(self.folder, self.account)
        self.account.private_folder(self.home)
        if self.running():
            try:
                self.apply(settings)
                self.resume()
            except ServerError:
                self.stop()
            else:
                return
        self._write(settings)
        # PgBouncer does not start while a process has the number in it, whosever that is.
        self.pidfile.unlink(missing_ok=True)
        self.launch(*WITH_MORE_FILES, str(self.program), str(self.home / "pgbouncer.ini"))

    def answers(self) -> bool:
        try:
            self.console.execute("SHOW VERSION")
        except psycopg.Error:
            return False
        # PgBouncer only warns about an address it cannot listen on.
        if any(ports.free(host, self.port) for host in self.hosts):
            raise StartFailed(f"{self.label} does not listen on port {self.port}:\n{files.tail(self.log)}")
        return True

    def apply(self, settings: PoolerSettings) -> None:
        """Bring the running PgBouncer to these settings. Only clients that are no longer admitted are dropped.

        Raises NotRunning, or ServerError when PgBouncer does not take the settings.
        """
        if not self.running():
            raise NotRunning(f"{self.label} is not running; the change takes effect when it starts.")
        seen = self.log_size()
        with self._followed():
            wanted = {pool.name for pool in settings.pools}
            gone = self.console.pools().keys() - wanted
            self.console.shut(gone)
            self._write(settings, gone)
            self.console.execute("RELOAD")
            for name, row in self.console.pools().items():
                if name in gone:
                    self.console.execute(f'RECONNECT "{name}"')
                elif row["disabled"]:
                    self.console.execute(f'ENABLE "{name}"')
            self.console.end(client for client in self.console.clients() if not _admitted(client, settings))
            served = {name for name, row in self.console.pools().items() if not row["disabled"]}
        if served != wanted:
            raise ServerError(f"{self.label} did not take the new pools. The end of {self.log}:\n{self._tail(seen)}")

    def pause(self, pools: Sequence[str], seconds: float) -> None:
        """Make the pools' clients wait, as soon as their running transactions end, for `resume`."""
        with self._followed():
            self.console.pause(pools, seconds)

    def resume(self) -> None:
        """Let the clients of every pool go on."""
        with self._followed():
            self.console.resume()

    @contextmanager
    def _followed(self) -> Iterator[None]:
        seen = self.log_size()
        try:
            yield
        except psycopg.Error as error:
            raise ServerError(f"{self.label} does not follow its console: {error}\n{self._tail(seen)}") from error

    def _write(self, settings: PoolerSettings, gone: Iterable[str] = ()) -> None:
        """gone: pools that a running PgBouncer keeps, with nobody in them, until it starts the next time."""
        users = {**settings.verifiers, CONSOLE_USER: self.console_password}
        self.account.write(self.home / "users.txt", "".join(f'"{user}" "{secret}"\n' for user, secret in users.items()))
        self.account.write(self.home / "hba.conf", pooler_rules(settings.trusted_sources, settings.pools))
        # Last: the other files are read when this one is.
        self.account.write(self.home / "pgbouncer.ini", self._configuration(settings, gone))

    def _configuration(self, settings: PoolerSettings, gone: Iterable[str]) -> str:
        options: dict[str, str | int] = {
            "listen_addr": ",".join(dict.fromkeys(self.hosts)),
            "listen_port": self.port,
            "pidfile": str(self.pidfile),
            "unix_socket_dir": str(sockets.socket_folder(self.folder)),
            "unix_socket_mode": "0700",
            "auth_type": "hba",
            "auth_hba_file": str(self.home / "hba.conf"),
            "auth_file": str(self.home / "users.txt"),
            "admin_users": CONSOLE_USER,
            "client_tls_sslmode": "require",
            "client_tls_cert_file": str(self.folder / "server.crt"),
            "client_tls_key_file": str(self.folder / "server.key"),
            "client_tls_protocols": "secure",
            "max_client_conn": MAX_CLIENTS,
            "listen_backlog": 1024,
            "client_login_timeout": LOGIN_TIMEOUT,
            "server_idle_timeout": 300,
            # After a restart of the server clients should not wait the default 15 seconds.
            "server_login_retry": 1,
            "ignore_startup_parameters": "extra_float_digits",
            "log_connections": 0,
            "log_disconnections": 0,
            "log_stats": 0,
        }
        shut = (PoolSpec(name=name, database="postgres", user=None, mode="session", size=1) for name in gone)
        lines = ["[databases]", *(self._pool(pool) for pool in (*settings.pools, *shut)), "", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in options.items()]
        return "".join(f"{line}\n" for line in lines)

    def _pool(self, pool: PoolSpec) -> str:
        database = pool.database.replace("'", "''")
        # pool_size alone would count for each user of the pool by itself.
        return (
            f"{pool.name} = host={sockets.socket_folder(self.folder)} port={self.server_port} dbname='{database}'"
            f" pool_mode={pool.mode} pool_size={pool.size} max_db_connections={pool.size}"
        )

    def _tail(self, seen: int) -> str:
        return files.tail(self.log, seen)


def _admitted(client: Row, settings: PoolerSettings) -> bool:
    pool = next((pool for pool in settings.pools if pool.name == client["database"]), None)
    if pool is None or pool.user not in (None, client["user"]):
        return False
    return admits(networks(settings.trusted_sources), ipaddress.ip_address(client["addr"]))
