"""Keeps the real servers in step with the records: what the records say is what must run."""

import logging
import threading
from typing import Any

from localcloud import catalogue, servers
from localcloud.delays import Delays
from localcloud.engines import Running, filled, follow, load, start, trusted_sources
from localcloud.jobs import Jobs, Ticker
from localcloud.options import Layout
from localcloud.records import Cluster, Replica
from localcloud.state import State
from localcloud.supervision import LONGEST_WAIT, LOOP, Backoff

_log = logging.getLogger("localcloud.fleet")

_TICK = 0.5
"""Seconds between two looks at whether a server has ended."""


class Fleet:
    """All servers of one local cloud.

    Slow work (create, resize, restart) is a job and ends in the record: status "online", or `failure` with the reason.
    """

    def __init__(self, layout: Layout, state: State, tools: servers.Tools, pace: float = 0.0) -> None:
        self._layout = layout
        self._state = state
        self.tools = tools
        self.authority = servers.CertificateAuthority(layout.authority)
        self._clusters: dict[str, Running] = {}
        self._jobs = Jobs("fleet")
        # Keeps others from changing a cluster's servers and records, by its id.
        self.guard = self._jobs.guard
        self.busy = self._jobs.busy
        self._delays = Delays(pace, self.settle)
        self._backoff = Backoff()
        self._looking = threading.Lock()
        self._watch = Ticker("supervision", self.look, _TICK)

    def supervise(self) -> None:
        """From now on starts servers again that end although nobody stopped them."""
        self._watch.start()

    def look(self) -> None:
        """Has the record of every cluster and replica say whether its servers run, and has ended ones started again."""
        # Whoever asks waits for a look under way, and does not read what the records said before it.
        with self._looking:
            for cluster_id, running in list(self._clusters.items()):
                with self.guard(cluster_id, wait=False) as free:
                    # Who has the guard, or waits for it, stops and starts servers on purpose, and leaves them running.
                    if not free or self._jobs.concern(cluster_id) or not self._has_fallen(cluster_id, running):
                        continue
                    if self._backoff.due(cluster_id):
                        self.settle(cluster_id)

    def servers_of(self, id: str) -> Running:
        """The servers of an online cluster. Raises servers.NotRunning when they are not there (yet)."""
        try:
            return self._clusters[id]
        except KeyError:
            raise servers.NotRunning(f"The servers of cluster {id} are not running yet.") from None

    def postgresql(self, id: str) -> servers.Cluster:
        """The servers of an online PostgreSQL cluster. Raises servers.NotRunning, also for another engine's."""
        found = self.servers_of(id)
        if not isinstance(found, servers.Cluster):
            raise servers.NotRunning(f"No PostgreSQL runs for cluster {id}.")
        return found

    def replica(self, record: Replica) -> servers.Replica:
        """The server of an online replica. Raises servers.NotRunning."""
        try:
            return self.postgresql(record.cluster_id).replicas[record.name]
        except KeyError:
            raise servers.NotRunning(f"The server of replica {record.name} is not running yet.") from None

    def settle_all(self) -> None:
        """Brings every recorded cluster and replica to its wanted state, on worker threads."""
        for cluster in self._state.read().clusters.values():
            self.settle(cluster.id)

    def settle(self, cluster_id: str) -> None:
        """Brings one cluster, and its replicas, to the state its record asks for, on a worker thread."""
        self._jobs.submit(self._settle, cluster_id)

    def follow_droplets(self) -> None:
        """Settles the clusters that have trusted sources: Droplets or their tags have changed."""
        tables = self._state.read()
        guarded = {item.id for item in tables.clusters.values() if item.rules}
        for cluster_id in guarded | {item.cluster_id for item in tables.replicas.values() if item.rules}:
            self.settle(cluster_id)

    def stop_all(self) -> None:
        """Waits for the jobs under way, then stops all servers."""
        self._watch.stop(wait=True)
        self._delays.end()
        # Read when the last job has ended.
        self._jobs.end(lambda running: running.stop(), lambda: self._clusters.values())  # noqa: PLW0108

    def destroy_cluster(self, cluster: Cluster) -> None:
        """Stops the cluster's servers, its replicas' too, and removes their files and records."""
        with self.guard(cluster.id):
            folder = self._layout.cluster(cluster.id)
            running = self._clusters.pop(cluster.id, None) or load(cluster, folder, self.tools, self.authority)
            if running is not None:
                running.destroy()
            else:
                servers.Cluster.discard(folder)
            with self._state.transaction() as tables:
                tables.clusters.pop(cluster.id, None)
                for replica in [item for item in tables.replicas.values() if item.cluster_id == cluster.id]:
                    del tables.replicas[replica.id]

    def destroy_replica(self, replica: Replica) -> None:
        """Stops the replica's server and removes its files and its record."""
        with self.guard(replica.cluster_id):
            cluster = self._clusters.get(replica.cluster_id)
            if isinstance(cluster, servers.Cluster) and replica.name in cluster.replicas:
                cluster.replicas[replica.name].destroy()
            with self._state.transaction() as tables:
                tables.replicas.pop(replica.id, None)

    def _has_fallen(self, cluster_id: str, running: Running) -> bool:
        """Whether a server of the cluster has ended. If so, its record says it from now on."""
        tables = self._state.read()
        record = tables.clusters.get(cluster_id)
        if record is None or record.deleting:
            return False
        parts: list[tuple[Cluster | Replica, tuple[str, ...]]] = [(record, running.ended())]
        if isinstance(running, servers.Cluster):
            for replica in [item for item in tables.replicas.values() if item.cluster_id == cluster_id]:
                if replica.name in running.replicas and not replica.deleting:
                    parts.append((replica, running.replicas[replica.name].ended()))
        for item, ended in parts:
            if ended and item.status == "online":
                told = f"{', '.join(ended)} ended"
                if (tries := self._backoff.fell(cluster_id)) >= LOOP:
                    told += f" {tries + 1} times in succession. It is tried again within {LONGEST_WAIT:.0f} seconds."
                _log.warning("%s: %s", item.name, told)
                self.change(item, status="restarting", failure=told if tries >= LOOP else "")
        return any(ended for _, ended in parts)

    def change(self, item: Cluster | Replica, **changes: Any) -> None:
        """Changes fields of a record, unless it is gone."""
        with self._state.transaction() as tables:
            table: dict[str, Any] = tables.clusters if isinstance(item, Cluster) else tables.replicas
            if item.id in table:
                table[item.id] = table[item.id].model_copy(update=changes)

    def _settle(self, cluster_id: str) -> None:
        with self.guard(cluster_id):
            record = self._state.read().clusters.get(cluster_id)
            if record is None:
                return
            if record.deleting:
                self.destroy_cluster(record)
                return
            try:
                running = self._clusters.get(cluster_id)
                if running is None:
                    folder = self._layout.cluster(cluster_id)
                    before = self._layout.replica(cluster_id)
                    running = start(record, folder, self.tools, self.authority, self._settled, before)
                    self._clusters[cluster_id] = running
                elif not running.running():
                    running.start()
                follow(record, running, self._state.read())
                if isinstance(running, servers.Cluster):
                    self._upgrade_and_empower(record, running)
                changes = filled(record, running)
            except Exception as problem:
                _log.exception("cluster %s", record.name)
                self.change(record, failure=str(problem))
                return
            if self._delays.hold(cluster_id, record.id, record.status):
                self.change(record, **changes)
                return
            self.change(record, status="online", failure="", **changes)
            _log.info("cluster %s: online on port %s", record.name, running.state.port)
            if isinstance(running, servers.Cluster):
                for replica in self._state.read().replicas.values():
                    if replica.cluster_id == cluster_id:
                        self._settle_replica(running, replica)

    def _upgrade_and_empower(self, record: Cluster, running: servers.Cluster) -> None:
        """To the wanted version, if its data goes there; the admin user gets the rights of the account's."""
        try:
            if running.state.version != record.version:
                running.upgrade(record.version)
        except servers.UpgradeFailed:
            _log.exception("cluster %s stays with version %s", record.name, running.state.version)
        account = self._state.read().account
        rights = tuple(name for name in servers.RIGHTS if getattr(account, name))
        if running.state.rights != rights:
            running.set_rights(rights)

    def _settled(self, cluster_id: str) -> servers.Cluster:
        """The servers of another cluster, which may not have been started yet."""
        if cluster_id not in self._clusters:
            self._settle(cluster_id)
        return self.postgresql(cluster_id)

    def _settle_replica(self, cluster: servers.Cluster, record: Replica) -> None:
        plan = catalogue.PLANS[record.size]
        try:
            if record.deleting:
                self.destroy_replica(record)
                return
            running = cluster.replicas.get(record.name) or cluster.create_replica(
                record.name, self._layout.replica(record.id), plan.max_connections, record.port
            )
            if running.state.max_connections != plan.max_connections:
                running.resize(plan.max_connections)
            if not running.running():
                running.start()
            wanted = trusted_sources(record.rules, self._state.read())
            if running.state.trusted_sources != wanted:
                running.set_trusted_sources(wanted)
        except Exception as problem:
            _log.exception("replica %s of cluster %s", record.name, record.cluster_id)
            self.change(record, failure=str(problem))
            return
        if not self._delays.hold(record.cluster_id, record.id, record.status):
            self.change(record, status="online", failure="")
