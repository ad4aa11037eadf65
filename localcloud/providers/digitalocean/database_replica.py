"""Read replicas: made when the first backup allows it, waited for, resized under their own UUID."""

from collections.abc import Mapping
from typing import Any

from localcloud.providers.context import Context
from localcloud.providers.digitalocean.connections import connection_properties, set_connections
from localcloud.providers.digitalocean.database_cluster import STORAGE_SIZE, wait_until_online
from localcloud.providers.digitalocean.database_parts import NAME, part
from localcloud.providers.digitalocean.tags import tags
from localcloud.providers.http import quoted
from localcloud.providers.operations import fill, request_body
from localcloud.providers.planning import Plan
from localcloud.providers.schema import Mode, State, text

FIRST_BACKUP_TIMEOUT_SECONDS = 20 * 60.0


def _create(context: Context, plan: Plan) -> tuple[str, Mapping[str, Any]]:
    """412 says that the cluster has no backup to start from yet; that passes."""
    made: list[Mapping[str, Any]] = []
    path = fill(REPLICA.collection, plan.state)
    context.insist(
        f"the cluster's first backup, which replica {plan.get('name')} starts from",
        lambda: made.append(context.api.call("POST", path, request_body(plan))["replica"]),
        lambda error: error.status == 412,
        interval=2.0,
        timeout=FIRST_BACKUP_TIMEOUT_SECONDS,
    )
    return f"{plan.get('clusterId')}/replicas/{plan.get('name')}", made[0]


def _wait_until_online(context: Context, state: State) -> None:
    wait_until_online(context, f"replica {state['name']}", fill(REPLICA.item, state), "replica")


def _settle(context: Context, _plan: Plan, state: State, answer: Mapping[str, Any]) -> None:
    set_connections(state, answer)
    _wait_until_online(context, state)


def _update(context: Context, plan: Plan) -> None:
    if plan.changed("size", "storageSizeMib"):
        # A replica is resized as if it were a cluster, and always has one node.
        body: dict[str, Any] = {"size": plan.get("size"), "num_nodes": 1}
        if plan.get("storageSizeMib"):
            body["storage_size_mib"] = int(plan.get("storageSizeMib"))
        context.api.call("PUT", f"/v2/databases/{quoted(plan.get('uuid'))}/resize", body)
    _wait_until_online(context, plan.state)


REPLICA = part(
    "Replica",
    "read replica",
    "replicas",
    "replica",
    "replicas/",
    NAME,
    text("uuid", Mode.COMPUTED, wire="id"),
    text("region", replace=True, keep_empty=True),
    text("size", keep_empty=True),
    text("privateNetworkUuid", Mode.OPTIONAL_COMPUTED, replace=True, keep_empty=True),
    tags(replace=True),
    STORAGE_SIZE,
    *connection_properties(),
    create=_create,
    settle=_settle,
    finish=lambda _context, state, answer: set_connections(state, answer),
    update=_update,
)
