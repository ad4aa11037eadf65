"""Look-up functions over what other programs made."""

from __future__ import annotations

from localcloud.providers.context import Context
from localcloud.providers.digitalocean.connections import set_connections
from localcloud.providers.digitalocean.database_cluster import CLUSTER, endpoints_and_urn, user_interface
from localcloud.providers.digitalocean.database_parts import POOL
from localcloud.providers.operations import fill
from localcloud.providers.schema import State
from localcloud.providers.values import decode, from_base64

CLUSTER_SECRETS = ("uri", "privateUri", "password", "uiUri", "uiPassword")
POOL_SECRETS = ("uri", "privateUri", "password")


def get_ca(context: Context, arguments: State) -> State:
    """The certificate of a cluster's certificate authority, as PEM."""
    cluster = arguments["clusterId"]
    answer = context.api.get(fill("/v2/databases/{clusterId}/ca", arguments))
    return {"id": cluster, "clusterId": cluster, "certificate": from_base64(answer["ca"]["certificate"])}


def get_cluster(context: Context, arguments: State) -> State:
    """The cluster of a name. Raises LookupError where there is none."""
    name = arguments["name"]
    found = next((item for item in context.pages("/v2/databases", "databases") if item["name"] == name), None)
    if found is None:
        raise LookupError(f"there is no database cluster named {name}")
    state: State = {"id": found["id"], **decode(CLUSTER.properties, found)}
    window = found.get("maintenance_window")
    state["maintenanceWindows"] = [{key: window.get(key, "") for key in ("day", "hour")}] if window else []
    state["storageAutoscales"] = []
    set_connections(state, found, password_first=False)
    user_interface(state, found)
    endpoints_and_urn(state, found)
    state["urn"] = state.pop("clusterUrn")
    return state


def get_pool(context: Context, arguments: State) -> State:
    """The connection pool of a cluster and a name. Raises ApiError where there is none."""
    found = context.api.get(fill(POOL.item, arguments))["pool"]
    cluster = arguments["clusterId"]
    state: State = {"id": f"{cluster}/{found['name']}", "clusterId": cluster, **decode(POOL.properties, found)}
    set_connections(state, found, owner=False)
    return state
