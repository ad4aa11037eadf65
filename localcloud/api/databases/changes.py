"""Changes of a whole cluster: resize, migrate, upgrade, maintenance window, updates."""

import re
from typing import Any

from localcloud import catalogue
from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.databases import checks
from localcloud.api.databases.lookup import find_cluster, require_online
from localcloud.api.errors import NotFound, Unprocessable
from localcloud.catalogue import Plan
from localcloud.records import Cluster, Replica
from localcloud.state import Tables

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HOUR = re.compile(r"^([01]\d|2[0-3]):([0-5]\d)(:[0-5]\d)?$")


class _Resize(Body):
    size: str
    num_nodes: int
    storage_size_mib: int | None = None


class _Migrate(Body):
    region: str
    private_network_uuid: str | None = None


class _Maintenance(Body):
    day: str
    hour: str


class _Upgrade(Body):
    version: str


def _resize(call: Call) -> Reply:
    body = call.read(_Resize)
    id = call.param("id")
    with call.cloud.state.transaction() as tables:
        item = _cluster_or_replica(tables, id)
        require_online(item)
        cluster = item if isinstance(item, Cluster) else find_cluster(tables, item.cluster_id)
        plan = checks.plan(body.size, catalogue.RUNNING[cluster.engine])
        checks.offered(tables, plan.slug, item.region)
        changes: dict[str, Any] = {
            "size": plan.slug,
            "storage_size_mib": _grown_storage(item, plan, body.storage_size_mib),
            "status": "resizing",
        }
        if isinstance(item, Cluster):
            changes["num_nodes"] = checks.nodes(body.num_nodes, plan, item.limited)
            tables.clusters[id] = item.model_copy(update=changes)
        else:
            if body.num_nodes != 1:
                raise Unprocessable(f"num_nodes {body.num_nodes}: a read-only replica has exactly 1 node.")
            tables.replicas[id] = item.model_copy(update=changes)
    call.cloud.fleet.settle(id if isinstance(item, Cluster) else item.cluster_id)
    return Reply(status=202)


def _migrate(call: Call) -> Reply:
    body = call.read(_Migrate)
    region = checks.region(body.region)
    with call.cloud.state.transaction() as tables:
        cluster = find_cluster(tables, call.param("id"))
        require_online(cluster)
        if region == cluster.region:
            raise Unprocessable(f"region {region}: {cluster.name} is there already.")
        tables.clusters[cluster.id] = cluster.model_copy(
            update={
                "region": region,
                "private_network_uuid": checks.network(tables, body.private_network_uuid or "", region).id,
                "status": "migrating",
            }
        )
    call.cloud.fleet.settle(cluster.id)
    return Reply(status=202)


def _maintenance(call: Call) -> Reply:
    body = call.read(_Maintenance)
    day, hour = body.day.lower(), body.hour
    if day not in _DAYS:
        raise Unprocessable(f"day {body.day}: not a day of the week. Allowed: {', '.join(_DAYS)}.")
    match = _HOUR.match(hour)
    if match is None:
        raise Unprocessable(f"hour {hour}: not a time. Write it like 02:00, in UTC.")
    with call.cloud.state.transaction() as tables:
        cluster = find_cluster(tables, call.param("id"))
        window = cluster.maintenance.model_copy(
            update={"day": day, "hour": f"{match[1]}:{match[2]}{match[3] or ':00'}"}
        )
        tables.clusters[cluster.id] = cluster.model_copy(update={"maintenance": window})
    return NO_CONTENT


def _install_update(call: Call) -> Reply:
    require_online(find_cluster(call.cloud.state.read(), call.param("id")))
    return NO_CONTENT


def _upgrade(call: Call) -> Reply:
    body = call.read(_Upgrade)
    with call.cloud.state.transaction() as tables:
        cluster = find_cluster(tables, call.param("id"))
        require_online(cluster)
        version = checks.version(call, catalogue.RUNNING[cluster.engine], body.version)
        if int(version) <= int(cluster.version):
            raise Unprocessable(f"version {version}: not newer than {cluster.version}, which {cluster.name} runs.")
        tables.clusters[cluster.id] = cluster.model_copy(update={"version": version, "status": "migrating"})
    call.cloud.fleet.settle(cluster.id)
    return NO_CONTENT


def _cluster_or_replica(tables: Tables, id: str) -> Cluster | Replica:
    replica = tables.replicas.get(id)
    if replica is not None and not replica.deleting:
        return replica
    try:
        return find_cluster(tables, id)
    except NotFound:
        raise NotFound("cluster not found: no cluster and no replica has this id") from None


def _grown_storage(item: Cluster | Replica, plan: Plan, asked: int | None) -> int:
    old = catalogue.PLANS[item.size]
    if (plan.memory_gib, plan.storage_mib) < (old.memory_gib, old.storage_mib):
        raise Unprocessable(f"size {plan.slug}: smaller than {old.slug}, the plan now. A cluster can only grow.")
    storage = checks.storage(asked or max(plan.storage_mib, item.storage_size_mib), plan)
    if storage < item.storage_size_mib:
        raise Unprocessable(
            f"storage_size_mib {storage}: smaller than {item.storage_size_mib}, the disk now. A disk can only grow."
        )
    return storage


ENDPOINTS: Routes = {
    "/v2/databases/{id}/resize": {"PUT": _resize},
    "/v2/databases/{id}/migrate": {"PUT": _migrate},
    "/v2/databases/{id}/maintenance": {"PUT": _maintenance},
    "/v2/databases/{id}/install_update": {"PUT": _install_update},
    "/v2/databases/{id}/upgrade": {"PUT": _upgrade},
}
