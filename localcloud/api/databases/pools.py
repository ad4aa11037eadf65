"""The connection pools of a cluster."""

from typing import Literal

from localcloud import catalogue, servers
from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.databases import checks, view
from localcloud.api.databases.lookup import find_cluster, online_postgresql, save
from localcloud.api.errors import NotFound, Unprocessable
from localcloud.api.paging import page
from localcloud.records import Cluster, Pool

_WHAT = "Connection pools"


class _Update(Body):
    mode: Literal["transaction", "session", "statement"]
    size: int
    db: str
    user: str | None = None


class _Create(_Update):
    name: str


def _create(call: Call) -> Reply:
    body = call.read(_Create)
    checks.inner_name(body.name)
    with online_postgresql(call, call.param("id"), _WHAT) as (cluster, running):
        if cluster.pool(body.name):
            raise Unprocessable(f"pool name is not available: {cluster.name} has a pool {body.name}.")
        pool = Pool(name=body.name, mode=body.mode, size=body.size, db=body.db, user=body.user or None)
        _apply(call, cluster, running, (*cluster.pools, pool), pool)
    return Reply(status=201, body={"pool": view.pool(pool, cluster)})


def _list(call: Call) -> Reply:
    cluster = find_cluster(call.cloud.state.read(), call.param("id"))
    return page(call, "pools", [view.pool(pool, cluster) for pool in cluster.pools])


def _get(call: Call) -> Reply:
    cluster = find_cluster(call.cloud.state.read(), call.param("id"))
    return Reply(body={"pool": view.pool(_find(cluster, call.param("name")), cluster)})


def _update(call: Call) -> Reply:
    body = call.read(_Update)
    with online_postgresql(call, call.param("id"), _WHAT) as (cluster, running):
        name = _find(cluster, call.param("name")).name
        pool = Pool(name=name, mode=body.mode, size=body.size, db=body.db, user=body.user or None)
        pools = tuple(pool if item.name == name else item for item in cluster.pools)
        _apply(call, cluster, running, pools, pool)
    return NO_CONTENT


def _delete(call: Call) -> Reply:
    with online_postgresql(call, call.param("id"), _WHAT) as (cluster, running):
        gone = _find(cluster, call.param("name"))
        _apply(call, cluster, running, tuple(pool for pool in cluster.pools if pool.name != gone.name), None)
    return NO_CONTENT


def _find(cluster: Cluster, name: str) -> Pool:
    pool = cluster.pool(name)
    if pool is None:
        raise NotFound(f"pool not found: the cluster has no connection pool {name}")
    return pool


def _apply(
    call: Call, cluster: Cluster, running: servers.Cluster, pools: tuple[Pool, ...], changed: Pool | None
) -> None:
    if changed is not None:
        _check(cluster, running, pools, changed)
    running.set_pools(
        [
            servers.PoolSpec(name=pool.name, database=pool.db, user=pool.user, mode=pool.mode, size=pool.size)
            for pool in pools
        ]
    )
    save(call, cluster, pools=pools)


def _check(cluster: Cluster, running: servers.Cluster, pools: tuple[Pool, ...], changed: Pool) -> None:
    if changed.db not in cluster.databases and changed.db not in running.databases():
        known = ", ".join(cluster.databases)
        raise Unprocessable(f"db {changed.db}: {cluster.name} has no such database. It has: {known}.")
    if changed.user is not None and cluster.user(changed.user) is None:
        users = ", ".join(user.name for user in cluster.users)
        raise Unprocessable(f"user {changed.user}: {cluster.name} has no such user. It has: {users}.")
    if changed.size < 1:
        raise Unprocessable(f"size {changed.size}: a pool needs at least 1 connection.")
    limit = catalogue.PLANS[cluster.size].backend_limit
    others = sum(pool.size for pool in pools) - changed.size
    if others + changed.size > limit:
        raise Unprocessable(
            f"size {changed.size}: the pool would exceed the cluster's {limit} backend connections "
            f"(plan {cluster.size}); other pools hold {others}. Allowed: 1 to {max(0, limit - others)}."
        )


ENDPOINTS: Routes = {
    "/v2/databases/{id}/pools": {"POST": _create, "GET": _list},
    "/v2/databases/{id}/pools/{name}": {"GET": _get, "PUT": _update, "DELETE": _delete},
}
