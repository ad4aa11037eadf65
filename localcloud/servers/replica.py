"""One read-only node: a hot standby that streams from a cluster's primary."""

import threading
from collections.abc import Callable, Sequence

import psycopg

from localcloud.servers import sockets
from localcloud.servers.access import networks
from localcloud.servers.errors import NotRunning
from localcloud.servers.folders import remove
from localcloud.servers.managed import Managed
from localcloud.servers.postgresql import RESERVED_CONNECTIONS, NodeSettings, PostgresServer
from localcloud.servers.replication import slot_name, upstream
from localcloud.servers.state import REPLICA_FILE, ReplicaState


class Replica(Managed[ReplicaState]):
    """A read-only node. Made by `Cluster.create_replica`, loaded with its cluster, found in `Cluster.replicas`.

    It shares its cluster's lock.
    """

    FILE = REPLICA_FILE

    def __init__(
        self,
        *,
        state: ReplicaState,
        server: PostgresServer,
        primary: PostgresServer,
        lock: "threading.RLock",
        forget: Callable[[str], None],
    ) -> None:
        super().__init__(server.folder, state, server.account, lock)
        self.server = server
        self._primary = primary
        self._forget = forget

    @property
    def servers(self) -> tuple[PostgresServer, ...]:
        return (self.server,)

    def start(self) -> None:
        """Start, or adopt what already runs here. Idempotent. Raises PortTaken, StartFailed."""
        with self._lock:
            self.server.start(self._settings())

    def stop(self) -> None:
        """Stop; it catches up with the primary after the next start. Idempotent."""
        with self._lock:
            self.server.stop()
            sockets.remove(self.folder)

    def destroy(self) -> None:
        """Stop it, drop its replication slot on the primary, remove its files. Idempotent."""
        with self._lock:
            if self.folder.exists():
                self.server.stop()
            # First: a cluster must not list a replica that is half removed.
            self._forget(self.state.name)
            remove(self.folder)

    def resize(self, max_connections: int) -> None:
        """Restart with a new connection limit. Clients of the replica are disconnected."""
        with self._lock:
            slots = max(self.state.slots, max_connections)
            self._restart_with(max_connections=max_connections, slots=slots)

    def make_room_for(self, primary_connections: int) -> None:
        """Prepare for a primary with a higher limit, which a standby must have too. The own limit stays as it is."""
        with self._lock:
            if primary_connections > self.state.slots:
                self._restart_with(slots=primary_connections)

    def set_trusted_sources(self, sources: Sequence[str]) -> None:
        """Admit only these addresses and CIDR ranges; empty admits everyone. Sessions from others are ended.

        Raises InvalidRequest for a text that is neither an address nor a range.
        """
        networks(sources)
        with self._lock:
            self._remember(trusted_sources=tuple(sources))
            if self.running():
                self.server.configure(self._settings())
                self.server.reload()
                self.server.end_foreign_sessions(self.state.trusted_sources)

    def received(self) -> int:
        """How far its WAL reaches, in bytes; -1 when it does not answer."""
        try:
            with self.server.connect() as connection:
                row = connection.execute(
                    "SELECT pg_wal_lsn_diff(coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0')"
                ).fetchone()
        except (NotRunning, psycopg.Error):
            return -1
        return int(row[0]) if row and row[0] else -1

    def promote(self) -> None:
        """Make it a primary of its own and leave it stopped."""
        self.server.promote(self._settings())

    def lag(self) -> int | None:
        """Bytes of WAL that the primary wrote and this has not replayed; None while it does not stream.

        Raises NotRunning when the primary is stopped.
        """
        with self._primary.connect() as connection:
            sent = connection.execute(
                "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint FROM pg_stat_replication"
                " WHERE application_name = %s AND state = 'streaming'",
                [slot_name(self.state.name)],
            ).fetchone()
        return sent[0] if sent else None

    def _restart_with(self, **changes: int) -> None:
        self._remember(**changes)
        if self.running():
            self.server.stop()
            self.server.start(self._settings())

    def _settings(self) -> NodeSettings:
        return NodeSettings(
            slots=self.state.slots,
            usable=self.state.max_connections - RESERVED_CONNECTIONS,
            trusted_sources=self.state.trusted_sources,
            upstream=upstream(self._primary, self.folder, self.state.name),
        )
