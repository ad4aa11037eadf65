"""The databases inside a cluster."""

from contextlib import suppress

from localcloud import servers
from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.databases import checks
from localcloud.api.databases.lookup import find_cluster, online_postgresql, save
from localcloud.api.errors import NotFound, Unprocessable
from localcloud.api.paging import page

_WHAT = "Databases"


class _Create(Body):
    name: str


def _create(call: Call) -> Reply:
    name = checks.inner_name(call.read(_Create).name)
    with online_postgresql(call, call.param("id"), _WHAT) as (cluster, running):
        if name in cluster.databases:
            raise Unprocessable(f"db name is not available: {cluster.name} has a database {name}.")
        # It may exist: made by a call whose answer was cut off by a crash, or by SQL. From now on it is on record.
        with suppress(servers.AlreadyExists):
            running.create_database(name)
        save(call, cluster, databases=(*cluster.databases, name))
    return Reply(status=201, body={"db": {"name": name}})


def _list(call: Call) -> Reply:
    return page(call, "dbs", [{"name": name} for name in _names(call)])


def _get(call: Call) -> Reply:
    name = call.param("name")
    if name not in _names(call):
        raise NotFound(f"db not found: the cluster has no database {name}")
    return Reply(body={"db": {"name": name}})


def _delete(call: Call) -> Reply:
    name = call.param("name")
    with online_postgresql(call, call.param("id"), _WHAT) as (cluster, running):
        using = [pool.name for pool in cluster.pools if pool.db == name]
        if using:
            raise Unprocessable(f"The database {name} is used by the connection pool {using[0]}. Delete that first.")
        try:
            running.drop_database(name)
        except servers.NotFound as problem:
            if name not in cluster.databases:
                raise NotFound(f"db not found: the cluster has no database {name}") from problem
        save(call, cluster, databases=tuple(db for db in cluster.databases if db != name))
    return NO_CONTENT


def _names(call: Call) -> tuple[str, ...]:
    """What the server has, databases made by SQL included; what the record says while there is no server to ask."""
    cluster = find_cluster(call.cloud.state.read(), call.param("id"))
    if cluster.postgresql and cluster.status == "online":
        with suppress(servers.NotRunning):
            return call.cloud.fleet.postgresql(cluster.id).databases()
    return cluster.databases


ENDPOINTS: Routes = {
    "/v2/databases/{id}/dbs": {"POST": _create, "GET": _list},
    "/v2/databases/{id}/dbs/{name}": {"GET": _get, "DELETE": _delete},
}
