"""Keeps the real servers in step with the records: what the records say is what must run."""

import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from localcloud import catalogue, servers
from localcloud.options import Layout
from localcloud.records import Cluster, Replica, Rule
from localcloud.state import State

_log = logging.getLogger("localcloud.fleet")

_NOBODY = "255.255.255.255/32"
"""A source no client has. An empty list would admit everyone, so a list without addresses becomes this."""

_WORKERS = 4
"""Clusters that are created, started or stopped at the same time."""


def trusted_sources(rules: Sequence[Rule]) -> tuple[str, ...]:
    """Addresses the servers admit. Rules that name a Droplet, an app, a tag or a Kubernetes cluster admit nobody."""
    if not rules:
        return ()
    return tuple(rule.value for rule in rules if rule.type == "ip_addr") or (_NOBODY,)


class Fleet:
    """All servers of one local cloud.

    Slow work (create, resize, restart) happens on worker threads and ends in the record: status "online", or
    `failure` with the reason. Every job can be repeated: after a crash the same jobs are given out again.
    """

    def __init__(self, layout: Layout, state: State, tools: servers.Tools) -> None:
        self._layout = layout
        self._state = state
        self.tools = tools
        self.authority = servers.CertificateAuthority(layout.authority)
        self._clusters: dict[str, servers.Cluster] = {}
        self._guards: dict[str, threading.RLock] = {}
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="fleet")
        self._jobs: set[Future[None]] = set()

    @contextmanager
    def guard(self, cluster_id: str) -> Iterator[None]:
        """Keeps others from changing this cluster's servers and records while the block runs."""
        with self._lock:
            guard = self._guards.setdefault(cluster_id, threading.RLock())
        with guard:
            yield

    def cluster(self, id: str) -> servers.Cluster:
        """The servers of an online cluster. Raises servers.NotRunning when they are not there (yet)."""
        try:
            return self._clusters[id]
        except KeyError:
            raise servers.NotRunning(f"The servers of cluster {id} are not running yet.") from None

    def replica(self, record: Replica) -> servers.Replica:
        """The server of an online replica. Raises servers.NotRunning."""
        try:
            return self.cluster(record.cluster_id).replicas[record.name]
        except KeyError:
            raise servers.NotRunning(f"The server of replica {record.name} is not running yet.") from None

    def settle_all(self) -> None:
        """Brings every recorded cluster and replica to its wanted state, on worker threads."""
        for cluster in self._state.read().clusters.values():
            self.settle(cluster.id)

    def settle(self, cluster_id: str) -> None:
        """Brings one cluster, and its replicas, to the state its record asks for, on a worker thread."""
        job = self._workers.submit(self._settle, cluster_id)
        with self._lock:
            self._jobs.add(job)
        job.add_done_callback(self._forget)

    def busy(self) -> int:
        """Jobs that are not finished."""
        with self._lock:
            return len(self._jobs)

    def stop_all(self) -> None:
        """Waits for the jobs under way, then stops all servers."""
        self._workers.shutdown(wait=True, cancel_futures=True)
        with ThreadPoolExecutor(_WORKERS) as stoppers:
            list(stoppers.map(self._stop, list(self._clusters.items())))

    def destroy_cluster(self, cluster: Cluster) -> None:
        """Stops the cluster's servers, its replicas' too, and removes their files."""
        with self.guard(cluster.id):
            folder = self._layout.cluster(cluster.id)
            running = self._clusters.pop(cluster.id, None)
            if running is None and servers.Cluster.exists(folder):
                running = servers.Cluster.load(folder, self.tools, self.authority)
            if running is not None:
                running.destroy()
            else:
                servers.Cluster.discard(folder)

    def destroy_replica(self, replica: Replica) -> None:
        """Stops the replica's server and removes its files."""
        with self.guard(replica.cluster_id):
            cluster = self._clusters.get(replica.cluster_id)
            if cluster is not None and replica.name in cluster.replicas:
                cluster.replicas[replica.name].destroy()

    def _forget(self, job: Future[None]) -> None:
        with self._lock:
            self._jobs.discard(job)

    def _stop(self, item: tuple[str, servers.Cluster]) -> None:
        cluster_id, cluster = item
        try:
            cluster.stop()
        except servers.ServerError:
            _log.exception("cluster %s: could not be stopped", cluster_id)

    def _settle(self, cluster_id: str) -> None:
        with self.guard(cluster_id):
            record = self._state.read().clusters.get(cluster_id)
            if record is None:
                return
            if record.deleting:
                self._finish_deletion(record)
                return
            try:
                running = self._bring_up(record)
            except Exception as problem:
                self._fail_cluster(record, problem)
                return
            with self._state.transaction() as tables:
                tables.clusters[cluster_id] = tables.clusters[cluster_id].model_copy(
                    update={
                        "status": "online",
                        "failure": "",
                        "port": running.port,
                        "pool_port": running.pool_port,
                    }
                )
            _log.info("cluster %s: online on ports %s and %s", record.name, running.port, running.pool_port)
            replicas = [item for item in self._state.read().replicas.values() if item.cluster_id == cluster_id]
            for replica in replicas:
                self._settle_replica(running, replica)

    def _bring_up(self, record: Cluster) -> servers.Cluster:
        plan = catalogue.PLANS[record.size]
        folder = self._layout.cluster(record.id)
        running = self._clusters.get(record.id)
        if running is None and servers.Cluster.exists(folder):
            running = servers.Cluster.load(folder, self.tools, self.authority)
            running.start()
        elif running is None:
            running = servers.Cluster.create(
                folder,
                servers.ClusterSpec(
                    id=record.id,
                    version=record.version,
                    max_connections=plan.max_connections,
                    admin_password=record.admin.password,
                ),
                self.tools,
                self.authority,
            )
        self._clusters[record.id] = running
        if running.max_connections != plan.max_connections:
            running.resize(plan.max_connections)
        wanted = trusted_sources(record.rules)
        if running.trusted_sources != wanted:
            running.set_trusted_sources(wanted)
        return running

    def _settle_replica(self, cluster: servers.Cluster, record: Replica) -> None:
        plan = catalogue.PLANS[record.size]
        try:
            if record.deleting:
                if record.name in cluster.replicas:
                    cluster.replicas[record.name].destroy()
                with self._state.transaction() as tables:
                    tables.replicas.pop(record.id, None)
                return
            running = cluster.replicas.get(record.name) or cluster.create_replica(
                record.name, self._layout.replica(record.id), plan.max_connections
            )
            if running.max_connections != plan.max_connections:
                running.resize(plan.max_connections)
            wanted = trusted_sources(record.rules)
            if running.trusted_sources != wanted:
                running.set_trusted_sources(wanted)
        except Exception as problem:
            _log.exception("replica %s of cluster %s", record.name, record.cluster_id)
            with self._state.transaction() as tables:
                tables.replicas[record.id] = tables.replicas[record.id].model_copy(update={"failure": str(problem)})
            return
        with self._state.transaction() as tables:
            tables.replicas[record.id] = tables.replicas[record.id].model_copy(
                update={"status": "online", "failure": "", "port": running.port}
            )

    def _finish_deletion(self, record: Cluster) -> None:
        self.destroy_cluster(record)
        with self._state.transaction() as tables:
            tables.clusters.pop(record.id, None)
            for replica in [item for item in tables.replicas.values() if item.cluster_id == record.id]:
                del tables.replicas[replica.id]

    def _fail_cluster(self, record: Cluster, problem: Exception) -> None:
        _log.error("cluster %s: %s", record.name, problem, exc_info=problem)
        with self._state.transaction() as tables:
            if record.id in tables.clusters:
                tables.clusters[record.id] = tables.clusters[record.id].model_copy(update={"failure": str(problem)})
