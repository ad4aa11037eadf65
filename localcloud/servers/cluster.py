"""One managed cluster: a PostgreSQL primary, a PgBouncer in front of it, and the replicas that follow it."""

import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

from localcloud.servers import folders, initdb, logins, ports, processes, sockets, upgrade
from localcloud.servers.access import networks
from localcloud.servers.backups import Backup, Backups
from localcloud.servers.certificates import CertificateAuthority
from localcloud.servers.console import Row
from localcloud.servers.errors import AlreadyExists, InvalidRequest, NotRunning
from localcloud.servers.limits import check_connections, check_pools
from localcloud.servers.managed import Managed
from localcloud.servers.nodes import Nodes
from localcloud.servers.pgbouncer import Pooler, PoolerSettings
from localcloud.servers.postgresql import RESERVED_CONNECTIONS, NodeSettings
from localcloud.servers.replica import Replica
from localcloud.servers.replicas import Replicas
from localcloud.servers.server import Server
from localcloud.servers.specs import ClusterSpec, PoolSpec
from localcloud.servers.state import (
    CLUSTER_FILE,
    REPLICA_FILE,
    SECRETS_FILE,
    ClusterState,
    ReplicaState,
    Secrets,
    load,
    save,
)
from localcloud.servers.tools import Tools

STANDBY = "_standby"
"""How the names of standbys begin; no read-only node's does."""

UPGRADE = "upgrade"
"""The folder in a cluster's own in which its data is made anew for another version."""

PAUSE_PATIENCE = 10.0
"""Seconds that running transactions of a pool get to end before the server is restarted under them."""


class Cluster(Managed[ClusterState]):
    """The servers of one cluster; its replicas share its lock. Use `create` or `load` to get one."""

    FILE = CLUSTER_FILE

    def __init__(
        self, folder: Path, state: ClusterState, secrets: Secrets, tools: Tools, authority: CertificateAuthority
    ) -> None:
        super().__init__(folder, state, tools.owner())
        self._backing_up = threading.Lock()
        self._secrets = secrets
        self._backups = Backups(folder=folder / "backups", replication_password=secrets.replication)
        self._assemble(tools, authority)

    def _assemble(self, tools: Tools, authority: CertificateAuthority) -> None:
        """The servers of this version."""
        folder, secrets, state = self.folder, self._secrets, self.state
        self._nodes = Nodes(state=state, secrets=secrets, tools=tools, authority=authority)
        self._server = self._nodes.primary(folder, state.port)
        self._pooler = Pooler(
            folder=folder,
            label=f"PgBouncer of cluster {state.id}",
            hosts=self._nodes.hosts,
            port=state.pool_port,
            server_port=state.port,
            program=tools.pgbouncer,
            account=self._account,
            console_password=secrets.console,
        )
        self._replicas = Replicas(
            nodes=self._nodes,
            primary=self._server,
            lock=self._lock,
            folders={name: (folder / path).resolve() for name, path in state.replicas.items()},
            remember=self._remember_replicas,
        )

    @classmethod
    def create(cls, folder: Path, spec: ClusterSpec, tools: Tools, authority: CertificateAuthority) -> "Cluster":
        """Create and start the servers. What an interrupted creation left in `folder` is stopped and removed first.

        Raises AlreadyExists when a complete cluster is there, ToolMissing for a version that is not installed,
        InvalidRequest for a reserved name. After an error nothing is left in `folder`.
        """
        logins.check_name("User", spec.admin_user)
        logins.check_name("Database", spec.default_database)
        secrets = Secrets.generate()

        def fill(cluster: Cluster) -> None:
            initdb.initialise(cluster._server)
            cluster._server.start(cluster._node_settings())
            initdb.populate(cluster._server, spec, secrets.replication)

        return cls._make(folder, spec, secrets, tools, authority, fill)

    def restore(self, folder: Path, spec: ClusterSpec, at: datetime) -> "Cluster":
        """Create and start another cluster in `folder` that is what this one was at the moment `at`, users included.

        The admin user has the password in `spec`. This cluster must run, and nothing of it changes.
        Raises NotFound without a backup from before `at`, NotRunning, and what `create` raises.
        """
        if not self._server.running():
            raise NotRunning(f"{self._server.label} is not running, so its last changes cannot be had. Start it first.")
        self._backups.flush(self._server)

        def fill(cluster: Cluster) -> None:
            self._backups.unpack(cluster._server, at)
            settings = cluster._node_settings()
            cluster._server.start(replace(settings, archive_command="", recovery=self._backups.recovery(at)))
            cluster._server.stop()
            cluster._server.start(settings)
            logins.set_password(cluster._server, spec.admin_user, spec.admin_password)

        # The platform's logins are in the copy, with the passwords they have here.
        secrets = replace(self._secrets, console=Secrets.generate().console)
        return self._make(folder, spec, secrets, self._nodes.tools, self._nodes.authority, fill)

    @classmethod
    def _make(
        cls,
        folder: Path,
        spec: ClusterSpec,
        secrets: Secrets,
        tools: Tools,
        authority: CertificateAuthority,
        fill: Callable[["Cluster"], None],
    ) -> "Cluster":
        """A new cluster in `folder`, started. fill: gives it its data and starts its primary."""
        folder = folder.absolute()
        if cls.exists(folder):
            raise AlreadyExists(f"{folder} holds a cluster already. Nothing was changed.")
        check_connections(spec.max_connections)
        tools.installation(spec.version)
        account = tools.owner()
        cls.discard(folder)
        account.private_folder(folder)
        try:
            account.check_reach(folder / "data")
            save(secrets, folder / SECRETS_FILE, account)
            port, pool_port = spec.ports or ports.choose((spec.public_host, spec.private_host))
            state = ClusterState.of(spec, port, pool_port)
            cluster = cls(folder, state, secrets, tools, authority)
            cluster._nodes.certify(cluster._server)
            cluster._backups.prepare(cluster._server)
            fill(cluster)
            cluster._pooler.start(cluster._pooler_settings())
            cluster._remember()
        except BaseException:
            cls.discard(folder)
            raise
        return cluster

    @classmethod
    def load(cls, folder: Path, tools: Tools, authority: CertificateAuthority) -> "Cluster":
        """The cluster in `folder`, without starting it. Raises NotFound when there is no complete cluster."""
        folder = folder.absolute()
        state, secrets = load(ClusterState, folder / CLUSTER_FILE), load(Secrets, folder / SECRETS_FILE)
        return cls(folder, state, secrets, tools, authority)

    @staticmethod
    def discard(folder: Path) -> None:
        """Stop whatever runs in `folder` and remove it: a cluster, or what an interrupted creation left. Idempotent."""
        folders.remove(folder.absolute())

    @property
    def replicas(self) -> Mapping[str, Replica]:
        """The read-only nodes by name, loaded with the cluster."""
        return {name: replica for name, replica in self._replicas.by_name().items() if not name.startswith(STANDBY)}

    @property
    def standbys(self) -> tuple[Replica, ...]:
        """The nodes that take over for the primary. Their data lags behind its own as long as the WAL is on its way."""
        return tuple(replica for replica in self._replicas if replica.state.name.startswith(STANDBY))

    @property
    def standby_port(self) -> int:
        """Port of the first standby, for readers; 0 without one."""
        return self.standbys[0].state.port if self.standbys else 0

    @property
    def servers(self) -> tuple[Server, ...]:
        """The primary, its standbys and the pooler."""
        return (self._server, *(standby.server for standby in self.standbys), self._pooler)

    def start(self) -> None:
        """Start the primary, the replicas and the pooler; adopts what already runs on this folder. Idempotent.

        A primary that ended while a standby runs is not started: the standby takes its place, address and port.
        Raises PortTaken or StartFailed; whatever had been started by this call is stopped again.
        """
        with self._lock:
            began = []
            try:
                self._settle_version()
                took_over = self._fail_over()
                self._backups.prepare(self._server)
                if not self._server.running():
                    began.append(self._server.stop)
                self._server.start(self._node_settings())
                self._replicas.keep_slots()
                for replica in self._replicas:
                    if not replica.running():
                        began.append(replica.stop)
                    self._replicas.start(replica)
                if took_over:
                    self._replicas.follow()
                if not self._pooler.running():
                    began.append(self._pooler.stop)
                self._pooler.start(self._pooler_settings())
            except BaseException:
                for stop in reversed(began):
                    stop()
                raise

    def stop(self) -> None:
        """Stop pooler, primary and replicas (fast shutdown: open transactions are rolled back). Idempotent."""
        with self._lock:
            self._pooler.stop()
            self._server.stop()
            sockets.remove(self.folder)
            for replica in self._replicas:
                replica.stop()

    def destroy(self) -> None:
        """Stop everything, replicas included, and remove every file of the cluster. Idempotent."""
        with self._lock:
            if not self.folder.exists():
                return
            self.stop()
            for replica in self._replicas:
                replica.destroy()
            # First: a cluster that is half removed must not pass for a complete one.
            (self.folder / CLUSTER_FILE).unlink(missing_ok=True)
            self.discard(self.folder)

    def resize(self, max_connections: int) -> None:
        """Restart with a new connection limit, data kept. A stopped cluster has it from its next start.

        Clients of transaction and statement pools wait for the restart; transactions that run longer than
        PAUSE_PATIENCE are rolled back, and direct sessions and those of session pools end.
        """
        check_connections(max_connections)
        with self._lock:
            # Before the primary: a standby that has fewer connections than its primary stops replaying.
            for replica in self._replicas:
                replica.make_room_for(max_connections)
            for standby in self.standbys:
                standby.resize(max_connections)
            self._remember(max_connections=max_connections)
            if not self._server.running():
                return
            waiting = [pool.name for pool in self.state.pools if pool.mode != "session"]
            pooled = self._pooler.running()
            if pooled:
                self._pooler.pause(waiting, PAUSE_PATIENCE)
            try:
                self._server.stop()
                self._server.start(self._node_settings())
            finally:
                if pooled:
                    self._pooler.resume()

    def configure(self, parameters: Mapping[str, str]) -> None:
        """Follow these settings at once, on the primary, and no others chosen before. None may need a restart.

        Raises InvalidRequest, and keeps the old ones, when the server cannot take one. A stopped cluster has them
        from its next start, unchecked.
        """
        with self._lock:
            before = self.state.parameters
            self._remember(parameters=dict(parameters))
            if not self._server.running():
                return
            self._server.configure(self._node_settings())
            if refused := self._server.refused_parameters():
                self._remember(parameters=before)
                self._server.configure(self._node_settings())
                raise InvalidRequest(f"{self._server.label} keeps its old settings. {'; '.join(refused)}.")
            self._server.reload()

    def create_database(self, name: str) -> None:
        """Create a database owned by the admin user. Raises AlreadyExists, InvalidRequest."""
        with self._lock:
            logins.create_database(self._server, name, self.state.admin_user)

    def drop_database(self, name: str) -> None:
        """Drop a database; its sessions are ended. Raises NotFound, InvalidRequest for a reserved name."""
        with self._lock:
            logins.drop_database(self._server, name)

    def databases(self) -> tuple[str, ...]:
        """Names of the databases clients may use, also those made by SQL."""
        return logins.databases(self._server)

    def create_user(self, name: str, password: str) -> None:
        """Create a login without grants; the admin user may grant it. Raises AlreadyExists, InvalidRequest."""
        with self._lock:
            logins.create_user(self._server, name, password, self.state.admin_user)
            self._refresh_pooler()

    def set_password(self, name: str, password: str) -> None:
        """Change the password on the server and the pooler. Open sessions stay. Raises NotFound."""
        with self._lock:
            logins.set_password(self._server, name, password)
            self._refresh_pooler()

    def drop_user(self, name: str) -> None:
        """Drop a login; its sessions are ended, its grants revoked, what it owns goes to the admin user.

        Raises NotFound, InvalidRequest for a reserved name or the admin user.
        """
        with self._lock:
            logins.drop_user(self._server, name, self.state.admin_user)
            self._refresh_pooler()

    def users(self) -> tuple[str, ...]:
        """Names of the logins, the admin user included, also those made by SQL."""
        return logins.users(self._server)

    def set_pools(self, pools: Sequence[PoolSpec]) -> None:
        """Make these the pooler's pools. Clients of removed pools are dropped, all others keep their connection.

        Raises InvalidRequest for a bad or repeated name or size. A stopped cluster has them from its next start.
        """
        check_pools(pools)
        with self._lock:
            self._remember(pools=tuple(pools))
            self._refresh_pooler()

    def set_trusted_sources(self, sources: Sequence[str]) -> None:
        """Admit only these addresses and CIDR ranges, on the server and the pooler; empty admits everyone.

        Sessions from addresses no longer admitted are ended. Replicas have their own list.
        Raises InvalidRequest for a text that is neither an address nor a range.
        """
        networks(sources)
        with self._lock:
            self._remember(trusted_sources=tuple(sources))
            if self._server.running():
                self._server.configure(self._node_settings())
                self._server.reload()
                self._server.end_foreign_sessions(self.state.trusted_sources)
            for standby in self.standbys:
                standby.set_trusted_sources(sources)
            self._refresh_pooler()

    def create_replica(self, name: str, folder: Path, max_connections: int, port: int = 0) -> Replica:
        """Copy the primary into `folder` and start a hot standby that streams from it.

        It has its own port on the same hosts (one is chosen unless it is given), the same users and passwords, and at
        first the primary's trusted sources. What an interrupted creation left in `folder` is removed first.
        Raises AlreadyExists, NotRunning when the primary is stopped, ToolMissing without a fitting pg_basebackup.
        """
        folder = folder.absolute()
        check_connections(max_connections)
        with self._lock:
            if name in self.replicas:
                raise AlreadyExists(f"Cluster {self.state.id} has a replica {name!r} already. Nothing was changed.")
            if not self._server.running():
                raise NotRunning(f"{self._server.label} is not running, so it cannot be copied. Start it first.")
            state = ReplicaState(
                name=name,
                port=port or self._replicas.choose_port(),
                max_connections=max_connections,
                slots=max(max_connections, self.state.max_connections),
                trusted_sources=self.state.trusted_sources,
            )
            return self._replicas.create(folder, state)

    def query(self, statement: LiteralString) -> list[tuple[Any, ...]]:
        """The rows of a statement, as the platform's own user. Raises NotRunning."""
        with self._server.connect() as connection:
            return connection.execute(statement).fetchall()

    def pool_statistics(self) -> list[Row]:
        """SHOW POOLS of the running pooler. Raises psycopg.Error."""
        return self._pooler.console.statistics()

    def set_standbys(self, count: int) -> None:
        """Have so many nodes that take over. Raises what `create_replica` does."""
        wanted = [f"{STANDBY}{number}" for number in range(1, count + 1)]
        with self._lock:
            for standby in self.standbys:
                if standby.state.name not in wanted:
                    standby.destroy()
            for name in wanted:
                if name not in self._replicas.by_name():
                    self.create_replica(name, self.folder / name, self.state.max_connections)

    def upgrade(self, version: str) -> None:
        """Bring the cluster to a newer major version, replicas too; ports, users, pools and settings stay.

        Clients wait or are cut off meanwhile. There is no way back, and all backups from before are gone.
        Raises ToolMissing, UpgradeFailed; then the cluster runs as before.
        """
        nodes = replace(self._nodes, state=replace(self.state, version=version))
        with self._lock:
            self.stop()
            place = self.folder / UPGRADE
            folders.remove(place)
            self._account.private_folder(place)
            new = nodes.primary(place, self.state.port)
            try:
                nodes.certify(new)
                upgrade.fill(new, self._server, self._node_settings(), nodes.tools)
                self._server.data.rename(place / "old")
                new.data.rename(self._server.data)
            finally:
                self.start()

    def _settle_version(self) -> None:
        """What an upgrade leaves to do, at its end or wherever it was cut off: the data decides on the version."""
        place = self.folder / UPGRADE
        if not place.exists():
            return
        if not self._server.data.exists():
            (place / "old").rename(self._server.data)
        if (found := self._server.version()) != self.state.version:
            folders.remove(self._backups.folder)
            self._remember(version=found, rights=())
            self._assemble(self._nodes.tools, self._nodes.authority)
        folders.remove(place)

    def _fail_over(self) -> bool:
        """Give the primary's place to the standby that has most, if the primary has ended; the record of it says which.

        Replication is asynchronous: what had not reached the standby is lost. The node that failed is filled anew.
        """
        able = [standby for standby in self.standbys if standby.running()]
        if not self.state.promoting:
            if self._server.running() or not able:
                return False
            self._remember(promoting=max(able, key=Replica.received).state.name)
        standby = self._replicas.by_name()[self.state.promoting]
        # Whatever is left of the old primary writes no more.
        processes.stop_within(self._server.data)
        if standby.server.data.exists():
            standby.promote()
            shutil.rmtree(self._server.data, ignore_errors=True)
            standby.server.data.rename(self._server.data)
        self._remember(promoting="")
        return True

    def release(self, name: str, source: Path, folder: Path, id: str) -> "Cluster":
        """Make the replica in the folder `source` a cluster of its own in `folder`, started. Can be repeated.

        It keeps its port, plan, trusted sources, users and passwords, and has no pools, backups and replicas.
        """
        with self._lock:
            if name in self.replicas:
                # One that streams would take its slot back.
                self.replicas[name].stop()
                self._replicas.forget(name)
            if source.exists():
                own = load(ReplicaState, source / REPLICA_FILE)
                self._replicas.node(source, own).promote()
                sockets.remove(source)
                _, pool_port = ports.choose(self._nodes.hosts)
                state = replace(
                    self.state,
                    id=id,
                    max_connections=own.max_connections,
                    port=own.port,
                    pool_port=pool_port,
                    trusted_sources=own.trusted_sources,
                    pools=(),
                    replicas={},
                )
                secrets = replace(self._secrets, console=Secrets.generate().console)
                save(secrets, source / SECRETS_FILE, self._account)
                save(state, source / CLUSTER_FILE, self._account)
                source.rename(folder)
        made = Cluster.load(folder, self._nodes.tools, self._nodes.authority)
        made.start()
        return made

    def set_rights(self, rights: Sequence[str]) -> None:
        """What the admin user may do besides, of logins.RIGHTS; where the version has it."""
        with self._lock:
            logins.set_rights(self._server, self.state.admin_user, rights)
            self._remember(rights=tuple(rights))

    def backups(self) -> tuple[Backup, ...]:
        """The base backups, oldest first."""
        return self._backups.all()

    def back_up(self) -> Backup:
        """Take a base backup of the running primary, and forget what is older than the window of seven days.

        Raises NotRunning, StartFailed, ToolMissing without a fitting pg_basebackup.
        """
        if not self._server.running():
            raise NotRunning(f"{self._server.label} is not running, so it cannot be backed up. Start it first.")
        program = self._nodes.tools.client("pg_basebackup", self.state.version)
        # Not under the cluster's lock: a copy may take long, and ends by itself when the server is stopped.
        with self._backing_up:
            return self._backups.take(self._server, program, datetime.now(UTC))

    def _remember_replicas(self, folders: Mapping[str, Path]) -> None:
        relative = {name: os.path.relpath(folder, self.folder) for name, folder in folders.items()}
        self._remember(replicas=relative)

    def _node_settings(self) -> NodeSettings:
        return NodeSettings(
            slots=self.state.max_connections,
            usable=self.state.max_connections - RESERVED_CONNECTIONS,
            trusted_sources=self.state.trusted_sources,
            parameters=self.state.parameters,
            archive_command=self._backups.archive_command(),
        )

    def _pooler_settings(self) -> PoolerSettings:
        return PoolerSettings(
            pools=self.state.pools, trusted_sources=self.state.trusted_sources, verifiers=logins.verifiers(self._server)
        )

    def _refresh_pooler(self) -> None:
        if self._pooler.running():
            self._pooler.apply(self._pooler_settings())
