"""Create, list, read and delete clusters."""

import uuid

from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.databases import backups, checks, firewall, view
from localcloud.api.databases.lookup import find_cluster
from localcloud.api.errors import Conflict, Unprocessable
from localcloud.api.paging import page
from localcloud.records import Cluster, MaintenanceWindow, StorageAutoscale, User
from localcloud.vault import generate_password

_FIRST_WINDOW = MaintenanceWindow(day="monday", hour="03:00:00")


class _Autoscale(Body):
    storage: StorageAutoscale | None = None


class _Create(Body):
    name: str
    engine: str
    size: str
    region: str
    num_nodes: int
    version: str | None = None
    private_network_uuid: str | None = None
    project_id: str | None = None
    storage_size_mib: int | None = None
    tags: list[str] | None = None
    rules: list[firewall.RuleBody] | None = None
    autoscale: _Autoscale | None = None
    storage_autoscale: StorageAutoscale | None = None
    backup_restore: backups.RestoreBody | None = None


def _create(call: Call) -> Reply:
    body = call.read(_Create)
    engine = checks.engine(body.engine)
    version = checks.version(call, engine, body.version or "")
    plan = checks.plan(body.size, engine)
    storage = checks.storage(body.storage_size_mib, plan)
    users = [User(name=engine.admin, password=generate_password(), role="primary")]
    restore = None
    if body.backup_restore is not None:
        original, restore = backups.source(call, body.backup_restore, engine, version)
        if storage < original.storage_size_mib:
            raise Unprocessable(
                f"storage_size_mib {storage}: smaller than {original.storage_size_mib}, the disk of {original.name}."
            )
        users += [user for user in original.users if user.role != "primary"]
    region = checks.region(body.region)
    autoscale = body.storage_autoscale or (body.autoscale.storage if body.autoscale else None)
    cluster_id = str(uuid.uuid4())
    with call.cloud.state.transaction() as tables:
        port, pool_port = checks.ports(tables)
        checks.room(tables, plan.slug, region)
        limited = checks.limited(tables, engine)
        cluster = Cluster(
            id=cluster_id,
            name=checks.name(tables, body.name),
            engine=engine.slug,
            version=version,
            size=plan.slug,
            region=region,
            num_nodes=checks.nodes(body.num_nodes, plan, limited),
            limited=limited,
            storage_size_mib=storage,
            private_network_uuid=checks.network(tables, body.private_network_uuid or "", region).id,
            project_id=checks.project(tables, body.project_id or ""),
            status="creating" if restore is None else "forking",
            created_at=checks.moment(tables),
            port=port,
            pool_port=pool_port,
            metrics_port=checks.ports(tables)[0],
            tags=checks.tags(body.tags),
            rules=firewall.to_rules(body.rules or (), ()),
            users=tuple(users),
            databases=(view.DEFAULT_DATABASE,) if engine.slug != "valkey" else (),
            restore=restore,
            maintenance=_FIRST_WINDOW,
            autoscale=autoscale,
        )
        tables.clusters[cluster.id] = cluster
        if cluster.postgresql and not tables.account.since:
            tables.account = tables.account.model_copy(update={"since": checks.today(tables).isoformat()})
    if call.fault != "stuck":
        call.cloud.fleet.settle(cluster.id)
    return Reply(status=201, body={"database": view.cluster(cluster)})


def _list(call: Call) -> Reply:
    call.cloud.fleet.look()
    clusters = [cluster for cluster in call.cloud.state.read().clusters.values() if not cluster.deleting]
    if tag := call.query.get("tag_name"):
        clusters = [cluster for cluster in clusters if tag in cluster.tags]
    return page(call, "databases", [view.cluster(cluster) for cluster in clusters])


def _get(call: Call) -> Reply:
    call.cloud.fleet.look()
    cluster = find_cluster(call.cloud.state.read(), call.param("id"))
    if cluster.failure:
        # There is no status for broken servers, and a client that waits for "online" must learn that it never comes.
        raise Conflict(f"The servers of {cluster.name} do not run (status {cluster.status}): {cluster.failure}")
    return Reply(body={"database": view.cluster(cluster)})


def _delete(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        cluster = find_cluster(tables, call.param("id"))
        tables.clusters[cluster.id] = cluster.model_copy(update={"deleting": True})
    call.cloud.fleet.destroy_cluster(cluster)
    return NO_CONTENT


ENDPOINTS: Routes = {
    "/v2/databases": {"POST": _create, "GET": _list},
    "/v2/databases/{id}": {"GET": _get, "DELETE": _delete},
}
