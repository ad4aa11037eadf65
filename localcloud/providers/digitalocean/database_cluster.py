"""Database clusters: made, waited for, resized, moved, upgraded."""

from collections.abc import Mapping
from typing import Any

from localcloud.providers.context import Context
from localcloud.providers.digitalocean.connections import connection_properties, set_connections
from localcloud.providers.digitalocean.tags import set_tags, tags
from localcloud.providers.http import ApiError
from localcloud.providers.operations import fill
from localcloud.providers.planning import Plan
from localcloud.providers.schema import (
    Mode,
    Property,
    ResourceType,
    State,
    boolean,
    each,
    integer,
    nested,
    objects,
    text,
    texts,
)
from localcloud.providers.values import encode, encode_value, is_empty

POLL_SECONDS = 15.0
ONLINE_TIMEOUT_SECONDS = 30 * 60.0
CACHING_ENGINES = ("redis", "valkey")


def _same_engine(old: str, new: str) -> bool:
    return old in CACHING_ENGINES and new in CACHING_ENGINES


def _same_hour(old: str, new: str) -> bool:
    """The API adds seconds: "02:00" comes back as "02:00:00"."""
    return old.split(":")[:2] == new.split(":")[:2]


def _verify(inputs: State) -> dict[str, str]:
    engine = inputs.get("engine")
    if not inputs.get("version"):
        return {"version": f"version is required: the {engine} version the cluster is to have"}
    if inputs.get("evictionPolicy") and engine not in CACHING_ENGINES:
        return {"evictionPolicy": f"evictionPolicy is for Valkey and Redis clusters only, not for {engine}"}
    return {}


def _body(plan: Plan) -> dict[str, Any]:
    """The create request; it always carries a network, a project and a rule list, if only empty ones."""
    known = {name: plan.get(name) for name in plan.type.by_name if name in plan.state}
    return {"private_network_uuid": "", "project_id": "", "rules": None, **encode(plan.type.properties, known)}


def wait_until_online(context: Context, what: str, path: str, root: str) -> None:
    """Waits until the cluster or the replica is online. One that cannot be found yet counts as not ready."""

    def online() -> bool:
        try:
            return bool(context.api.get(path)[root]["status"] == "online")
        except ApiError as error:
            if error.status == 404:
                return False
            raise

    context.wait(f"{what} to be online", online, interval=POLL_SECONDS, timeout=ONLINE_TIMEOUT_SECONDS)


def _wait(context: Context, identity: str) -> None:
    wait_until_online(context, f"database cluster {identity}", f"/v2/databases/{identity}", "database")


def _settle(context: Context, plan: Plan, state: State, answer: Mapping[str, Any]) -> None:
    set_connections(state, answer, password_first=False)
    _wait(context, state["id"])
    _maintenance(context, plan, state["id"])
    path = f"/v2/databases/{state['id']}"
    if plan.get("evictionPolicy"):
        context.api.call("PUT", f"{path}/eviction_policy", {"eviction_policy": plan.get("evictionPolicy")})


def _maintenance(context: Context, plan: Plan, identity: str) -> None:
    windows = plan.get("maintenanceWindows")
    if windows:
        body = {key: windows[0][key] for key in ("day", "hour")}
        context.api.call("PUT", f"/v2/databases/{identity}/maintenance", body)


def _update(context: Context, plan: Plan) -> None:
    path = fill(CLUSTER.item, plan.state)
    if not plan.changes:
        # The engine updates without a change after a create that did not come to its end.
        _wait(context, plan.id)
    if plan.changed("size", "nodeCount", "storageSizeMib"):
        body = {"size": plan.get("size"), "num_nodes": plan.get("nodeCount")}
        if plan.changed("storageSizeMib"):
            # Left out otherwise, so that a larger plan brings its own base storage.
            body["storage_size_mib"] = int(plan.get("storageSizeMib"))
        context.api.call("PUT", f"{path}/resize", body)
        _wait(context, plan.id)
    if plan.changed("region"):
        context.api.call("PUT", f"{path}/migrate", {"region": plan.get("region"), "private_network_uuid": ""})
        _wait(context, plan.id)
    if plan.changed("maintenanceWindows"):
        _maintenance(context, plan, plan.id)
    if plan.changed("evictionPolicy"):
        policy = plan.get("evictionPolicy") or "noeviction"
        context.api.call("PUT", f"{path}/eviction_policy", {"eviction_policy": policy})
    if plan.changed("version"):
        context.api.call("PUT", f"{path}/upgrade", {"version": plan.get("version")})
    if plan.changed("tags"):
        set_tags(context, plan, "database")
    if plan.changed("storageAutoscale") and plan.get("storageAutoscale"):
        storage = encode_value(CLUSTER.by_name["storageAutoscale"], plan.get("storageAutoscale"))
        context.api.call("PUT", f"{path}/autoscale", {"storage": storage})


def _finish(context: Context, state: State, answer: Mapping[str, Any]) -> None:
    path = fill(CLUSTER.item, state)
    window = answer.get("maintenance_window")
    if state.get("maintenanceWindows") and window:
        state["maintenanceWindows"] = [{"day": window.get("day", ""), "hour": window.get("hour", "")}]
    if state.get("evictionPolicy"):
        state["evictionPolicy"] = context.api.get(f"{path}/eviction_policy")["eviction_policy"]
    if state.get("storageAutoscale"):
        scale = answer.get("storage_autoscale")
        if scale is None:
            scale = context.api.get(f"{path}/autoscale")
            scale = scale.get("storage") or scale.get("autoscale", {}).get("storage", {})
        state["storageAutoscale"] = {
            name: scale[key] for name, key in AUTOSCALE_KEYS.items() if key == "enabled" or not is_empty(scale.get(key))
        }
    set_connections(state, answer, password_first=False)
    endpoints = answer.get("metrics_endpoints") or []
    state["metricsEndpoints"] = [f"https://{item['host']}:{item['port']}/metrics" for item in endpoints]
    state["clusterUrn"] = f"do:dbaas:{state['id']}"


AUTOSCALE_KEYS = {"enabled": "enabled", "thresholdPercent": "threshold_percent", "incrementGib": "increment_gib"}

STORAGE_SIZE = Property(
    name="storageSizeMib",
    mode=Mode.OPTIONAL_COMPUTED,
    encode=lambda value: int(value) if str(value).isdigit() else 0,
    decode=lambda value: str(value or 0),
)

CLUSTER = ResourceType(
    token="digitalocean:index/databaseCluster:DatabaseCluster",  # noqa: S106
    noun="database cluster",
    collection="/v2/databases",
    root="database",
    properties=(
        text("name", Mode.REQUIRED, autonamed=True, replace=True),
        text("engine", Mode.REQUIRED, replace=True, same=_same_engine),
        text("version"),
        text("size", Mode.REQUIRED),
        text("region", Mode.REQUIRED, normalise=str.lower),
        integer("nodeCount", Mode.REQUIRED, wire="num_nodes"),
        objects(
            "maintenanceWindows",
            (text("day", Mode.REQUIRED), text("hour", Mode.REQUIRED, same=_same_hour)),
            sent=False,
            received=False,
        ),
        text("evictionPolicy", sent=False, received=False),
        *each(text, "privateNetworkUuid projectId", Mode.OPTIONAL_COMPUTED, replace=True, keep_empty=True),
        tags(),
        nested("backupRestore", (text("databaseName", Mode.REQUIRED), text("backupCreatedAt")), received=False),
        STORAGE_SIZE,
        nested(
            "storageAutoscale",
            (
                boolean("enabled", Mode.REQUIRED, keep_empty=True),
                integer("thresholdPercent", within=(15, 95)),
                integer("incrementGib", within=(10, 1024)),
            ),
            received=False,
        ),
        *connection_properties(),
        # Of engines that have a user interface of their own.
        *each(text, "uiHost uiDatabase uiUser", Mode.COMPUTED, received=False),
        integer("uiPort", Mode.COMPUTED, received=False),
        *each(text, "uiUri uiPassword", Mode.COMPUTED, secret=True, received=False),
        text("clusterUrn", Mode.COMPUTED, received=False),
        texts("metricsEndpoints", mode=Mode.COMPUTED, received=False),
    ),
    body=_body,
    settle=_settle,
    finish=_finish,
    update=_update,
    verify=_verify,
)
