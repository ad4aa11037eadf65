"""A cluster's certificate, configuration, eviction policy, storage autoscaling and events."""

import base64
from contextlib import suppress
from typing import Any

from localcloud import servers, valkey
from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.databases.lookup import find_cluster, online, require_engine, save
from localcloud.api.databases.parameters import RULES
from localcloud.api.errors import Unprocessable
from localcloud.engines import follow
from localcloud.records import MetricsLogin, StorageAutoscale


class _Config(Body):
    config: dict[str, Any]


class _EvictionPolicy(Body):
    eviction_policy: str


class _Autoscale(Body):
    storage: StorageAutoscale


class _Credentials(Body):
    basic_auth_username: str
    basic_auth_password: str


class _Login(Body):
    credentials: _Credentials


def _ca(call: Call) -> Reply:
    find_cluster(call.cloud.state.read(), call.param("id"))
    pem = call.cloud.fleet.authority.pem
    return Reply(body={"ca": {"certificate": base64.b64encode(pem.encode()).decode()}})


def _get_config(call: Call) -> Reply:
    cluster = find_cluster(call.cloud.state.read(), call.param("id"))
    if cluster.engine == "valkey":
        return Reply(body={"config": valkey.configuration(cluster)})
    rows: list[Any] = []
    if cluster.status == "online":
        with suppress(servers.NotRunning):
            rows = call.cloud.fleet.postgresql(cluster.id).query("SELECT name, setting, unit FROM pg_settings")
    return Reply(body={"config": RULES["pg"].shown(rows) | cluster.config})


def _patch_config(call: Call) -> Reply:
    given = call.read(_Config).config
    RULES[find_cluster(call.cloud.state.read(), call.param("id")).engine].check(given)
    with online(call, call.param("id")) as (cluster, running):
        policy = given.pop("valkey_maxmemory_policy", cluster.eviction_policy).replace("-", "_")
        changes = {"config": cluster.config | given, "eviction_policy": policy}
        follow(cluster.model_copy(update=changes), running, call.cloud.state.read())
        save(call, cluster, **changes)
    return Reply(status=200)


def _get_eviction_policy(call: Call) -> Reply:
    cluster = find_cluster(call.cloud.state.read(), call.param("id"))
    require_engine("valkey", cluster, "Eviction policies")
    return Reply(body={"eviction_policy": cluster.eviction_policy})


def _put_eviction_policy(call: Call) -> Reply:
    policy = call.read(_EvictionPolicy).eviction_policy
    require_engine("valkey", find_cluster(call.cloud.state.read(), call.param("id")), "Eviction policies")
    if policy not in valkey.EVICTION_POLICIES:
        raise Unprocessable(f"eviction_policy {policy}: allowed are {', '.join(valkey.EVICTION_POLICIES)}.")
    with online(call, call.param("id")) as (cluster, running):
        follow(cluster.model_copy(update={"eviction_policy": policy}), running, call.cloud.state.read())
        save(call, cluster, eviction_policy=policy)
    return NO_CONTENT


def _get_autoscale(call: Call) -> Reply:
    autoscale = find_cluster(call.cloud.state.read(), call.param("id")).autoscale or StorageAutoscale(enabled=False)
    storage = {"storage": autoscale.model_dump(exclude_none=True)}
    # The OpenAPI document roots the answer, DigitalOcean's Go client does not: give both.
    return Reply(body={"autoscale": storage} | storage)


def _put_autoscale(call: Call) -> Reply:
    storage = call.read(_Autoscale).storage
    # Clients that switch it off send zeros.
    if not storage.enabled:
        storage = StorageAutoscale(enabled=False)
    for name, low, high in (("threshold_percent", 15, 95), ("increment_gib", 10, 500)):
        value = getattr(storage, name)
        if value is not None and not low <= value <= high:
            raise Unprocessable(f"storage.{name} {value}: allowed are {low} to {high}.")
    with call.cloud.state.transaction() as tables:
        cluster = find_cluster(tables, call.param("id"))
        tables.clusters[cluster.id] = cluster.model_copy(update={"autoscale": storage})
    return NO_CONTENT


def _get_login(call: Call) -> Reply:
    login = call.cloud.state.read().metrics_logins["account"]
    password = call.cloud.vault.open(login.sealed_password)
    return Reply(body={"credentials": {"basic_auth_username": login.username, "basic_auth_password": password}})


def _put_login(call: Call) -> Reply:
    asked = call.read(_Login).credentials
    password = call.cloud.vault.seal(asked.basic_auth_password)
    with call.cloud.state.transaction() as tables:
        login = MetricsLogin(username=asked.basic_auth_username, sealed_password=password)
        tables.metrics_logins["account"] = login
    return NO_CONTENT


def _events(call: Call) -> Reply:
    cluster = find_cluster(call.cloud.state.read(), call.param("id"))
    created = {
        "id": cluster.id,
        "cluster_name": cluster.name,
        "event_type": "cluster_create",
        "create_time": cluster.created_at,
    }
    return Reply(body={"events": [created]})


ENDPOINTS: Routes = {
    "/v2/databases/metrics/credentials": {"GET": _get_login, "PUT": _put_login},
    "/v2/databases/{id}/ca": {"GET": _ca},
    "/v2/databases/{id}/config": {"GET": _get_config, "PATCH": _patch_config},
    "/v2/databases/{id}/eviction_policy": {"GET": _get_eviction_policy, "PUT": _put_eviction_policy},
    "/v2/databases/{id}/autoscale": {"GET": _get_autoscale, "PUT": _put_autoscale},
    "/v2/databases/{id}/events": {"GET": _events},
}
