"""One read-only node: a hot standby that streams from a cluster's primary."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import psycopg

from localcloud.servers import sockets
from localcloud.servers.access import networks
from localcloud.servers.errors import NotRunning
from localcloud.servers.folders import remove
from localcloud.servers.postgresql import RESERVED_CONNECTIONS, NodeSettings, PostgresServer
from localcloud.servers.replication import slot_name, upstream
from localcloud.servers.specs import ReplicaStatus
from localcloud.servers.state import REPLICA_FILE, ReplicaState, save


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
        self.server = self._server = server
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

    def ended(self) -> tuple[str, ...]:
        """The server, when it does not run. Takes no lock."""
        return () if self.running() else (self._server.label,)

    def running(self) -> bool:
        """Whether the server is alive. Takes no lock."""
        return self._server.running()

    def start(self) -> None:
        """Start, or adopt what already runs here. Idempotent. Raises PortTaken, StartFailed."""
        with self._lock:
            self._server.start(self._settings())

    def stop(self) -> None:
        """Stop; it catches up with the primary after the next start. Idempotent."""
        with self._lock:
            self._server.stop()
            sockets.remove(self.folder)

    def destroy(self) -> None:
        """Stop it, drop its replication slot on the primary, remove its files. Idempotent."""
        with self._lock:
            if self.folder.exists():
                self._server.stop()
            # First: a cluster must not list a replica that is half removed.
            self._forget(self.name)
            remove(self.folder)

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
            save(self._state, self.folder / REPLICA_FILE, self._server.account)
            if self.running():
                self._server.configure(self._settings())
                self._server.reload()
                self._server.end_foreign_sessions(self._state.trusted_sources)

    def received(self) -> int:
        """How far its WAL reaches, in bytes; -1 when it does not answer."""
        try:
            with self._server.connect() as connection:
                row = connection.execute(
                    "SELECT pg_wal_lsn_diff(coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0')"
                ).fetchone()
        except (NotRunning, psycopg.Error):
            return -1
        return int(row[0]) if row and row[0] else -1

    def promote(self) -> None:
        """Make it a primary of its own and leave it stopped."""
        self._server.promote(self._settings())

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
        save(self._state, self.folder / REPLICA_FILE, self._server.account)
        if self.running():
            self._server.stop()
            self._server.start(self._settings())

    def _settings(self) -> NodeSettings:
        return NodeSettings(
            slots=self._state.slots,
            usable=self._state.max_connections - RESERVED_CONNECTIONS,
            trusted_sources=self._state.trusted_sources,
            upstream=upstream(self._primary, self.folder, self.name),
        )
