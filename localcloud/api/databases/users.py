"""The users of a cluster."""

from contextlib import suppress
from typing import Any

from localcloud import servers
from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.databases import checks, view
from localcloud.api.databases.lookup import find_cluster, online, online_postgresql, require_engine, save
from localcloud.api.errors import NotFound, NotImplementedHere, Unprocessable
from localcloud.api.paging import page
from localcloud.records import Cluster, User
from localcloud.vault import generate_password

_WHAT = "Users"


class _Settings(Body):
    pg_allow_replication: bool = False


class _Create(Body):
    name: str
    settings: _Settings | None = None
    mysql_settings: dict[str, Any] | None = None


class _Update(Body):
    settings: _Settings | None = None


def _create(call: Call) -> Reply:
    body = call.read(_Create)
    checks.inner_name(body.name)
    if body.mysql_settings and body.mysql_settings.get("auth_plugin"):
        raise Unprocessable("mysql_settings: only for MySQL clusters.")
    _refuse_replication(body.settings)
    with online_postgresql(call, call.param("id"), _WHAT) as (cluster, running):
        if cluster.user(body.name):
            raise Unprocessable(f"user name is not available: {cluster.name} has a user {body.name}.")
        user = User(name=body.name, password=generate_password())
        try:
            running.create_user(user.name, user.password)
        except servers.AlreadyExists:
            # Made by a call whose answer was cut off by a crash, or by SQL: from now on it is on record.
            running.set_password(user.name, user.password)
        save(call, cluster, users=(*cluster.users, user))
    return Reply(status=201, body={"user": view.user(user)})


def _list(call: Call) -> Reply:
    cluster = find_cluster(call.cloud.state.read(), call.param("id"))
    return page(call, "users", [view.user(user) for user in cluster.users])


def _get(call: Call) -> Reply:
    cluster = find_cluster(call.cloud.state.read(), call.param("id"))
    return Reply(body={"user": view.user(_find(cluster, call.param("name")))})


def _update(call: Call) -> Reply:
    _refuse_replication(call.read(_Update).settings)
    require_engine("pg", find_cluster(call.cloud.state.read(), call.param("id")), _WHAT)
    return Reply(status=201, body=_get(call).body)


def _reset(call: Call) -> Reply:
    with online(call, call.param("id")) as (cluster, running):
        user = _find(cluster, call.param("name")).model_copy(update={"password": generate_password()})
        running.set_password(user.name, user.password)
        others = tuple(user if item.name == user.name else item for item in cluster.users)
        save(call, cluster, users=others)
    return Reply(body={"user": view.user(user)})


def _delete(call: Call) -> Reply:
    with online_postgresql(call, call.param("id"), _WHAT) as (cluster, running):
        user = _find(cluster, call.param("name"))
        if user.role == "primary":
            raise Unprocessable(f"{user.name} is the cluster's primary user and cannot be deleted.")
        using = [pool.name for pool in cluster.pools if pool.user == user.name]
        if using:
            raise Unprocessable(f"The user {user.name} is used by the connection pool {using[0]}. Delete that first.")
        with suppress(servers.NotFound):
            running.drop_user(user.name)
        save(call, cluster, users=tuple(u for u in cluster.users if u.name != user.name))
    return NO_CONTENT


def _find(cluster: Cluster, name: str) -> User:
    user = cluster.user(name)
    if user is None:
        raise NotFound(f"user not found: the cluster has no user {name}")
    return user


def _refuse_replication(settings: _Settings | None) -> None:
    if settings is not None and settings.pg_allow_replication:
        raise NotImplementedHere("users with pg_allow_replication")


ENDPOINTS: Routes = {
    "/v2/databases/{id}/users": {"POST": _create, "GET": _list},
    "/v2/databases/{id}/users/{name}": {"GET": _get, "PUT": _update, "DELETE": _delete},
    "/v2/databases/{id}/users/{name}/reset_auth": {"POST": _reset},
}
