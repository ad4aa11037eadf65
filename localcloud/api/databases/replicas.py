"""The read-only replicas of a cluster."""

import re
import uuid

from localcloud import catalogue
from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.databases import checks, view
from localcloud.api.databases.lookup import find_cluster, find_replica, replicas_of, require_engine, require_online
from localcloud.api.errors import Conflict, Unprocessable
from localcloud.api.paging import page
from localcloud.records import Promotion, Replica, now

_NAME = re.compile(r"^[a-z][a-z0-9-]{1,61}[a-z0-9]$")
MAX_REPLICAS = 2
"""Read-only nodes a PostgreSQL cluster may have."""


class _Create(Body):
    name: str
    size: str | None = None
    region: str | None = None
    private_network_uuid: str | None = None
    storage_size_mib: int | None = None
    tags: list[str] | None = None


def _create(call: Call) -> Reply:
    body = call.read(_Create)
    with call.cloud.state.transaction() as tables:
        cluster = find_cluster(tables, call.param("id"))
        require_engine("pg", cluster, "Read-only replicas")
        require_online(cluster)
        checks.within_limits(cluster, "Read-only nodes")
        others = replicas_of(tables, cluster.id)
        if not _NAME.match(body.name):
            raise Unprocessable(f"name {body.name!r}: allowed are 3 to 63 lower-case letters, digits and dashes.")
        if any(replica.name == body.name for replica in others):
            raise Unprocessable(f"replica name is not available: {cluster.name} has a replica {body.name}.")
        if len(others) >= MAX_REPLICAS:
            raise Unprocessable(f"{cluster.name} has {MAX_REPLICAS} replicas, the most it may have.")
        plan = checks.plan(body.size or cluster.size, catalogue.RUNNING[cluster.engine])
        if plan.storage_mib < catalogue.PLANS[cluster.size].storage_mib:
            raise Unprocessable(f"size {plan.slug}: smaller than {cluster.size}, the plan of the primary.")
        region = checks.region(body.region or cluster.region)
        checks.offered(tables, plan.slug, region)
        network_id = body.private_network_uuid or (cluster.private_network_uuid if region == cluster.region else "")
        replica = Replica(
            id=str(uuid.uuid4()),
            name=body.name,
            cluster_id=cluster.id,
            size=plan.slug,
            region=region,
            storage_size_mib=max(checks.storage(body.storage_size_mib, plan), cluster.storage_size_mib),
            private_network_uuid=checks.network(tables, network_id, region).id,
            status="forking",
            created_at=now(),
            port=checks.ports(tables)[0],
            tags=checks.tags(body.tags),
            rules=cluster.rules,
        )
        tables.replicas[replica.id] = replica
    if call.fault != "stuck":
        call.cloud.fleet.settle(cluster.id)
    return Reply(status=201, body={"replica": view.replica(replica, cluster)})


def _list(call: Call) -> Reply:
    call.cloud.fleet.look()
    tables = call.cloud.state.read()
    cluster = find_cluster(tables, call.param("id"))
    return page(call, "replicas", [view.replica(item, cluster) for item in replicas_of(tables, cluster.id)])


def _get(call: Call) -> Reply:
    call.cloud.fleet.look()
    tables = call.cloud.state.read()
    cluster = find_cluster(tables, call.param("id"))
    replica = find_replica(tables, cluster.id, call.param("name"))
    if replica.failure:
        raise Conflict(f"The server of {replica.name} does not run (status {replica.status}): {replica.failure}")
    return Reply(body={"replica": view.replica(replica, cluster)})


def _delete(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        cluster = find_cluster(tables, call.param("id"))
        replica = find_replica(tables, cluster.id, call.param("name"))
        tables.replicas[replica.id] = replica.model_copy(update={"deleting": True})
    call.cloud.fleet.destroy_replica(replica)
    return NO_CONTENT


def _promote(call: Call) -> Reply:
    """The replica's id is the new cluster's from now on, and its name too."""
    with call.cloud.state.transaction() as tables:
        cluster = find_cluster(tables, call.param("id"))
        replica = find_replica(tables, cluster.id, call.param("name"))
        require_online(cluster)
        require_online(replica)
        checks.room(tables, replica.size, replica.region)
        checks.name(tables, replica.name)
        kept = replica.model_dump(exclude={"cluster_id", "rules", "status", "created_at"})
        alone = {"pools": (), "pool_port": 0, "num_nodes": 1, "standby_port": 0, "rules": replica.rules}
        alone["metrics_port"] = checks.ports(tables)[0]
        promotion = Promotion(cluster_id=cluster.id, name=replica.name)
        tables.clusters[replica.id] = cluster.model_copy(
            update=kept | alone | {"status": "forking", "created_at": checks.moment(tables), "promotion": promotion}
        )
        del tables.replicas[replica.id]
    call.cloud.fleet.settle(replica.id)
    return NO_CONTENT


ENDPOINTS: Routes = {
    "/v2/databases/{id}/replicas": {"POST": _create, "GET": _list},
    "/v2/databases/{id}/replicas/{name}": {"GET": _get, "DELETE": _delete},
    "/v2/databases/{id}/replicas/{name}/promote": {"PUT": _promote},
}
