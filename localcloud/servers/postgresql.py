"""One PostgreSQL server process: a primary or a replica."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from localcloud.servers import processes, sockets
from localcloud.servers.access import SUPERUSER, admits, networks, server_rules
from localcloud.servers.errors import NotRunning, ServerError, StartFailed
from localcloud.servers.installation import Installation
from localcloud.servers.server import Server
from localcloud.waiting import until

RESERVED_CONNECTIONS = 3
"""Kept for the platform on every node. Source: DigitalOcean's connection limits, 25 a GiB of which 22 are usable."""

POSTGRESQL_LOG = "postgresql.log"

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """The primary a standby follows, reached over its UNIX socket."""

    sockets: Path
    port: int
    user: str
    passfile: Path
    slot: str

    def conninfo(self) -> str:
        return psycopg.conninfo.make_conninfo(
            host=str(self.sockets),
            port=self.port,
            user=self.user,
            passfile=str(self.passfile),
            application_name=self.slot,
        )


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """How a server that starts from a base backup gets to a moment. until: the last moment whose commits it has."""

    restore_command: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """What differs from one node to the next.

    slots: the server's `max_connections`; a standby may not have fewer than its primary has or had.
    usable: connections clients may open, `slots` less the reserved ones.
    parameters: settings the user chose, none of which may need a restart.
    archive_command: keeps each WAL segment for backups; a standby has none.
    recovery: for the one start that follows the unpacking of a base backup.
    """

    slots: int
    usable: int
    trusted_sources: tuple[str, ...]
    upstream: Upstream | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    archive_command: str = ""
    recovery: Recovery | None = None


@dataclass(frozen=True, kw_only=True)
class PostgresServer(Server):
    """A primary or a replica; the data directory is `folder/data`."""

    LOG = POSTGRESQL_LOG
    # Replaying WAL after an unclean end can take minutes.
    PATIENCE = 600.0
    # Open transactions are rolled back; then without a checkpoint; then the last resort.
    STOP_STEPS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 20.0), (signal.SIGKILL, 10.0))

    name: str
    installation: Installation
    superuser_password: str = field(repr=False)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def home(self) -> Path:
        return self.data

    @property
    def pidfile(self) -> Path:
        return self.data / "postmaster.pid"

    @property
    def sockets(self) -> Path:
        return sockets.socket_folder(self.folder)

    def version(self) -> str:
        """The major version whose data this is; empty where there is none."""
        file = self.data / "PG_VERSION"
        return file.read_text(encoding="ascii").strip() if file.exists() else ""

    def promote(self, settings: NodeSettings) -> None:
        """Make a standby a primary of its own, on disk, and leave it stopped. One that is promoted is only stopped."""
        if (self.data / "standby.signal").exists():
            self.start(settings)
            with self.connect() as connection:
                connection.execute("SELECT pg_promote(true, 60)")
                in_recovery = connection.execute("SELECT pg_is_in_recovery()").fetchone()
            if in_recovery != (False,):
                raise StartFailed(f"{self.label} does not become a primary. Its log: {self.log}")
        self.stop()

    def configure(self, settings: NodeSettings) -> None:
        """Write the configuration files; a running server must be reloaded or restarted to follow them."""
        lines = [f"{name} = {_literal(value)}" for name, value in self._parameters(settings).items()]
        self.account.write(self.data / "postgresql.conf", "".join(f"{line}\n" for line in lines))
        self.account.write(self.data / "pg_hba.conf", server_rules(settings.trusted_sources))
        if settings.upstream is not None:
            self.account.write(self.data / "standby.signal", "")
        if settings.recovery is not None:
            self.account.write(self.data / "recovery.signal", "")

    def start(self, settings: NodeSettings) -> None:
        """Start with these settings, or bring what already runs here to them. Raises PortTaken, StartFailed."""
        sockets.create(self.folder, self.account)
        self.configure(settings)
        if self.running():
            if self._adopt(settings):
                return
            self.stop()
        self._await_orphans()
        # Left by an unclean end; the processes in the data folder are known to be gone.
        self.pidfile.unlink(missing_ok=True)
        self.launch(str(self.installation.program("postgres")), "-D", str(self.data))

    def stop(self) -> None:
        """Stop, rolling open transactions back. Idempotent. Raises ServerError when it cannot be stopped."""
        super().stop()
        self._await_orphans()

    def answers(self) -> bool:
        # The eighth line is what pg_ctl goes by as well.
        try:
            lines = self.pidfile.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def reload(self) -> None:
        """Make the server follow its configuration files, and return when new connections do."""
        process = self.process()
        if process is None:
            raise NotRunning(f"{self.label} is not running; the change takes effect when it starts.")
        before = self._loaded_at()
        process.signal(signal.SIGHUP)
        if not until(lambda: self._loaded_at() != before, 60.0, pause=0.01):
            raise ServerError(f"{self.label} does not reload its configuration. Its log: {self.log}")
        with self.connect() as connection:
            wrong = connection.execute("SELECT error FROM pg_hba_file_rules WHERE error IS NOT NULL").fetchall()
        if wrong:
            raise ServerError(f"{self.label} refused its access rules and keeps the old ones: {wrong[0][0]}")

    def refused_parameters(self) -> tuple[str, ...]:
        """What the running server cannot take of its configuration file as it is written now."""
        with self.connect() as connection:
            rows = connection.execute(
                "SELECT coalesce(name, sourcefile), error FROM pg_file_settings WHERE error IS NOT NULL"
            ).fetchall()
        return tuple(f"{name}: {error}" for name, error in rows)

    def end_foreign_sessions(self, sources: tuple[str, ...]) -> None:
        """End the client sessions that come from addresses no longer admitted."""
        allowed = networks(sources)
        with self.connect() as connection:
            sessions = connection.execute(
                "SELECT pid, client_addr FROM pg_stat_activity WHERE client_addr IS NOT NULL"
            ).fetchall()
            for pid, address in sessions:
                if not admits(allowed, address):
                    connection.execute("SELECT pg_terminate_backend(%s)", [pid])

    def connect(self, database: str = "postgres") -> Connection:
        """A superuser session, each statement a transaction of its own. Raises NotRunning."""
        try:
            return psycopg.connect(
                host=str(self.sockets),
                port=self.port,
                user=SUPERUSER,
                password=self.superuser_password,
                dbname=database,
                autocommit=True,
                connect_timeout=30,
                application_name="localcloud",
                client_encoding="UTF8",
            )
        except psycopg.OperationalError as error:
            if not self.running():
                raise NotRunning(f"{self.label} is not running. Start it first; nothing was changed.") from error
            raise NotRunning(f"{self.label} runs but refuses the platform's connection: {error}") from error

    def _parameters(self, settings: NodeSettings) -> Mapping[str, str | int | bool]:
        preload = [name for name in ("pg_stat_statements", "timescaledb") if name in self.installation.extensions]
        parameters: dict[str, str | int | bool] = {
            "listen_addresses": ",".join(dict.fromkeys(self.hosts)),
            "port": self.port,
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "max_connections": settings.slots,
            "superuser_reserved_connections": settings.slots - settings.usable,
            "password_encryption": "scram-sha-256",
            "ssl": True,
            "ssl_cert_file": str(self.folder / "server.crt"),
            "ssl_key_file": str(self.folder / "server.key"),
            "ssl_min_protocol_version": "TLSv1.2",
            "shared_preload_libraries": ",".join(preload),
            # A local cloud calls nobody.
            **({"timescaledb.telemetry_level": "off"} if "timescaledb" in preload else {}),
            "cluster_name": self.name,
            # Replication; the limits must be the same on a primary and its standbys.
            "wal_level": "logical",
            "max_wal_senders": 20,
            "max_replication_slots": 20,
            "max_slot_wal_keep_size": "1GB",
            "hot_standby": True,
            # Many servers share one machine.
            "shared_buffers": "16MB",
            "min_wal_size": "32MB",
            "max_wal_size": "256MB",
            "huge_pages": "off",
            "dynamic_shared_memory_type": "posix",
            # Durable: what was committed survives a crash, as in production.
            "fsync": True,
            "full_page_writes": True,
            "log_line_prefix": "%m [%p] %q%u@%d %h ",
            "log_timezone": "UTC",
            "timezone": "UTC",
            "datestyle": "iso, mdy",
            "default_text_search_config": "pg_catalog.english",
        }
        parameters |= settings.parameters
        if settings.upstream is not None:
            parameters["primary_conninfo"] = settings.upstream.conninfo()
            parameters["primary_slot_name"] = settings.upstream.slot
            # Look for the primary again soon after it was restarted (default 5 s).
            parameters["wal_retrieve_retry_interval"] = "500ms"
        if settings.archive_command:
            parameters["archive_mode"] = True
            parameters["archive_command"] = settings.archive_command
            # What a lost machine may cost at most.
            parameters["archive_timeout"] = "5min"
        if settings.recovery is not None:
            parameters["restore_command"] = settings.recovery.restore_command
            parameters["recovery_target_time"] = settings.recovery.until.isoformat(sep=" ")
            parameters["recovery_target_action"] = "promote"
            # Otherwise it would need as many connections as the server it was copied from.
            parameters["hot_standby"] = False
        return parameters

    def _adopt(self, settings: NodeSettings) -> bool:
        """Whether the running server follows the settings without a restart."""
        try:
            self.await_answer(self.process())
            self.reload()
            with self.connect() as connection:
                pending = connection.execute("SELECT 1 FROM pg_settings WHERE pending_restart LIMIT 1").fetchall()
            self.end_foreign_sessions(settings.trusted_sources)
        except ServerError:
            return False
        return not pending

    def _await_orphans(self) -> None:
        """After its main process was killed, a server's other processes end by themselves, and must before a start."""
        if not until(lambda: not processes.within(self.data), 60.0):
            pids = ", ".join(str(orphan.pid) for orphan in processes.within(self.data))
            raise StartFailed(
                f"{self.label}: processes {pids} still use {self.data} and no server is in charge of them."
                " End them, then start again. The data is untouched."
            )

    def _loaded_at(self) -> object:
        with self.connect() as connection:
            row = connection.execute("SELECT pg_conf_load_time()").fetchone()
        return None if row is None else row[0]


def _literal(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
