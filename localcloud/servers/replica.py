"""One read-only node: a hot standby that streams from a cluster's primary."""

import hashlib
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import psycopg

from localcloud.servers import processes, sockets
from localcloud.servers.access import REPLICATION_USER, networks
from localcloud.servers.errors import NotRunning, ServerError, StartFailed
from localcloud.servers.postgresql import RESERVED_CONNECTIONS, NodeSettings, PostgresServer, Upstream
from localcloud.servers.processes import clean_environment
from localcloud.servers.specs import ReplicaStatus
from localcloud.servers.state import ReplicaState

PASSFILE = "primary.pgpass"


class Replica:
    """A read-only node. Made by `Cluster.create_replica`, loaded with its cluster, found in `Cluster.replicas`.

    It shares its cluster's lock. Every method may raise ServerError.
    """

    def __init__(
        self,
        *,
        state: ReplicaState,
        server: PostgresServer,
        primary: PostgresServer,
        lock: "threading.RLock",
        forget: Callable[[str], None],
    ) -> None:
        self._state = state
        self._server = server
        self._primary = primary
        self._lock = lock
        self._forget = forget

    @property
    def name(self) -> str:
        return self._state.name

    @property
    def folder(self) -> Path:
        return self._server.folder

    @property
    def port(self) -> int:
        """Direct port, the same on the public and the private host; kept for the replica's whole life."""
        return self._state.port

    @property
    def max_connections(self) -> int:
        """The plan's limit, three reserved ones included."""
        return self._state.max_connections

    @property
    def trusted_sources(self) -> tuple[str, ...]:
        return self._state.trusted_sources

    @property
    def log(self) -> Path:
        return self._server.log

    def running(self) -> bool:
        """Whether the server is alive. Takes no lock."""
        return self._server.process() is not None

    def start(self) -> None:
        """Start, or adopt what already runs here. Idempotent. Raises PortTaken, StartFailed."""
        with self._lock:
            self._server.start(self._settings())

    def stop(self) -> None:
        """Stop; it catches up with the primary after the next start. Idempotent."""
        with self._lock:
            self._server.stop()

    def destroy(self) -> None:
        """Stop it, drop its replication slot on the primary, remove its files. Idempotent."""
        with self._lock:
            if self.folder.exists():
                self._server.stop()
            remove_node(self.folder)
            self._forget(self.name)
            if self._primary.process() is not None:
                drop_slot(self._primary, self.name)

    def resize(self, max_connections: int) -> None:
        """Restart with a new connection limit. Clients of the replica are disconnected."""
        with self._lock:
            slots = max(self._state.slots, max_connections)
            self._restart_with(replace(self._state, max_connections=max_connections, slots=slots))

    def make_room_for(self, primary_connections: int) -> None:
        """Prepare for a primary with a higher limit, which a standby must have too. The own limit stays as it is."""
        with self._lock:
            if primary_connections > self._state.slots:
                self._restart_with(replace(self._state, slots=primary_connections))

    def set_trusted_sources(self, sources: Sequence[str]) -> None:
        """Admit only these addresses and CIDR ranges; empty admits everyone. Sessions from others are ended.

        Raises InvalidRequest for a text that is neither an address nor a range.
        """
        networks(sources)
        with self._lock:
            self._state = replace(self._state, trusted_sources=tuple(sources))
            self._state.save(self.folder, self._server.account)
            if self.running():
                self._server.configure(self._settings())
                self._server.reload()
                self._server.end_foreign_sessions(self._state.trusted_sources)

    def status(self) -> ReplicaStatus:
        """How far the replica follows. Raises NotRunning when the replica or its primary is stopped."""
        try:
            with self._server.connect() as connection:
                receiver = connection.execute("SELECT status FROM pg_stat_wal_receiver").fetchone()
            with self._primary.connect() as connection:
                sent = connection.execute(
                    "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint,"
                    " coalesce(extract(epoch FROM replay_lag), 0)::float8"
                    " FROM pg_stat_replication WHERE application_name = %s AND state = 'streaming'",
                    [slot_name(self.name)],
                ).fetchone()
        except psycopg.Error as error:
            raise NotRunning(f"{self._server.label}: its state cannot be read: {error}") from error
        if sent is None or receiver != ("streaming",):
            return ReplicaStatus(streaming=False, lag_bytes=None, lag_seconds=None)
        return ReplicaStatus(streaming=True, lag_bytes=sent[0], lag_seconds=sent[1])

    def _restart_with(self, state: ReplicaState) -> None:
        self._state = state
        self._state.save(self.folder, self._server.account)
        if self.running():
            self._server.stop()
            self._server.start(self._settings())

    def _settings(self) -> NodeSettings:
        return NodeSettings(
            slots=self._state.slots,
            usable=self._state.max_connections - RESERVED_CONNECTIONS,
            trusted_sources=self._state.trusted_sources,
            upstream=Upstream(
                sockets=self._primary.sockets,
                port=self._primary.port,
                user=REPLICATION_USER,
                passfile=self.folder / PASSFILE,
                slot=slot_name(self.name),
            ),
        )


def copy_primary(primary: PostgresServer, server: PostgresServer, name: str, program: Path, password: str) -> None:
    """Fill a replica's data directory from the running primary, over a replication slot. Raises StartFailed."""
    account = server.account
    passfile = server.folder / PASSFILE
    account.write(passfile, f"*:*:*:{REPLICATION_USER}:{password}\n")
    drop_slot(primary, name)
    with primary.connect() as connection:
        connection.execute("SELECT pg_create_physical_replication_slot(%s, true)", [slot_name(name)])
    command = [
        str(program),
        f"--pgdata={server.data}",
        f"--host={primary.sockets}",
        f"--port={primary.port}",
        f"--username={REPLICATION_USER}",
        "--no-password",
        "--wal-method=stream",
        f"--slot={slot_name(name)}",
        "--checkpoint=fast",
    ]
    # Run as the local cloud itself: the program may lie where the servers' account cannot go.
    result = subprocess.run(
        command,
        cwd=server.folder,
        env=clean_environment({"PGPASSFILE": str(passfile)}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        start_new_session=True,
    )
    if result.returncode != 0:
        raise StartFailed(f"{server.label}: the copy of the primary failed.\n{result.stderr.strip()}")
    account.own_tree(server.data)


def slot_name(replica: str) -> str:
    """Replication slots allow fewer characters than replicas' names."""
    return f"replica_{hashlib.sha256(replica.encode()).hexdigest()[:16]}"


def drop_slot(primary: PostgresServer, replica: str) -> None:
    """Drop the replica's slot, if there is one, so that the primary no longer keeps WAL for it."""
    try:
        with primary.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                " WHERE slot_name = %s AND active_pid IS NOT NULL",
                [slot_name(replica)],
            )
            connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s",
                [slot_name(replica)],
            )
    except psycopg.Error as error:
        raise ServerError(f"{primary.label} keeps the replication slot of replica {replica!r}: {error}") from error


def remove_node(folder: Path) -> None:
    """End what still runs in a node's folder and remove the folder and its sockets. Idempotent."""
    if folder.exists():
        processes.stop_within(folder)
        shutil.rmtree(folder)
    sockets.remove(folder)
