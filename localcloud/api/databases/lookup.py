"""Finding clusters and replicas by id, and refusing work on those that are not ready for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from localcloud import catalogue, servers
from localcloud.api.call import Call
from localcloud.api.errors import Conflict, NotFound, PreconditionFailed, Unprocessable
from localcloud.engines import Running
from localcloud.records import Cluster, Engine, Replica
from localcloud.state import Tables


def find_cluster(tables: Tables, id: str) -> Cluster:
    """Raises NotFound, also for a cluster whose deletion is under way."""
    cluster = tables.clusters.get(id)
    if cluster is None or cluster.deleting:
        raise NotFound("cluster not found")
    return cluster


def find_replica(tables: Tables, cluster_id: str, name: str) -> Replica:
    """Raises NotFound."""
    for replica in tables.replicas.values():
        if replica.cluster_id == cluster_id and replica.name == name and not replica.deleting:
            return replica
    raise NotFound(f"replica not found: the cluster has none called {name}")


def replicas_of(tables: Tables, cluster_id: str) -> list[Replica]:
    return [item for item in tables.replicas.values() if item.cluster_id == cluster_id and not item.deleting]


def require_online(item: Cluster | Replica) -> None:
    """Raises Conflict for broken servers, PreconditionFailed for ones that are still being worked on."""
    if item.failure:
        raise Conflict(f"{item.name} cannot be used: {item.failure}")
    if item.status != "online":
        raise PreconditionFailed(f"{item.name} is not ready: its status is {item.status}. Try again when it is online.")


def require_engine(engine: Engine, cluster: Cluster, what: str) -> None:
    """Raises Unprocessable for a cluster of another engine, which has no such `what`: "Connection pools"."""
    if (cluster.engine == "valkey") != (engine == "valkey"):
        title = catalogue.RUNNING[cluster.engine].title
        raise Unprocessable(f"{what} are not supported for {title} clusters, and {cluster.name} is one.")


@contextmanager
def online(call: Call, id: str) -> Iterator[tuple[Cluster, Running]]:
    """An online cluster's record and its servers, kept from other changes while the block runs."""
    require_online(find_cluster(call.cloud.state.read(), id))
    with call.cloud.fleet.guard(id):
        record = find_cluster(call.cloud.state.read(), id)
        require_online(record)
        yield record, call.cloud.fleet.servers_of(id)


@contextmanager
def online_postgresql(call: Call, id: str, what: str) -> Iterator[tuple[Cluster, servers.Cluster]]:
    """The same for what only PostgreSQL has. Raises Unprocessable for a cluster of another engine."""
    require_engine("pg", find_cluster(call.cloud.state.read(), id), what)
    with online(call, id) as (record, _):
        yield record, call.cloud.fleet.postgresql(id)


def save(call: Call, cluster: Cluster, **changes: Any) -> None:
    """Changes fields of a cluster's record. Only what is named: the rest may have changed since it was read."""
    with call.cloud.state.transaction() as tables:
        tables.clusters[cluster.id] = find_cluster(tables, cluster.id).model_copy(update=changes)
