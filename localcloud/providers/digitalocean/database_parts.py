"""What lives in a database cluster: databases, users, trusted sources, pools, the CA."""

import datetime
import itertools
from collections.abc import Mapping
from typing import Any

from localcloud.providers.context import Context
from localcloud.providers.digitalocean.connections import connection_properties, set_connections
from localcloud.providers.operations import fill
from localcloud.providers.planning import Plan
from localcloud.providers.schema import Kind, Mode, Property, ResourceType, State, each, integer, objects, text
from localcloud.providers.values import decode, from_base64, halves

NEVER = "0001-01-01T00:00:00Z"
_counter = itertools.count(1)


def unique_id(prefix: str) -> str:
    """An id for what the API gives none: time and a counter after the prefix."""
    now = datetime.datetime.now(datetime.UTC)
    return f"{prefix}{now:%Y%m%d%H%M%S}{now.microsecond // 100:04d}{next(_counter):08x}"


CLUSTER_ID = text("clusterId", Mode.REQUIRED, replace=True, sent=False, received=False)
NAME = text("name", Mode.REQUIRED, autonamed=True, replace=True)


def part(kind: str, noun: str, path: str, root: str, prefix: str, *properties: Property, **more: Any) -> ResourceType:
    """What lives in a cluster under a name. kind: the end of the type's name. prefix: before the name in ids."""
    collection = f"/v2/databases/{{clusterId}}/{path}"

    def adopt(identity: str) -> State:
        cluster, name = halves(identity, ",", "the cluster's id and the name", "ID,NAME")
        return {"id": f"{cluster}/{prefix}{name}", "clusterId": cluster, "name": name}

    return ResourceType(
        token=f"digitalocean:index/database{kind}:Database{kind}",
        noun=noun,
        collection=collection,
        item=f"{collection}/{{name}}",
        root=root,
        identify=lambda state, answer: f"{state['clusterId']}/{prefix}{answer['name']}",
        adopt=adopt,
        properties=(CLUSTER_ID, *properties),
        **more,
    )


DATABASE = part("Db", "database", "dbs", "db", "database/", NAME)


def _user_facts(_context: Context, state: State, answer: Mapping[str, Any]) -> None:
    state["role"] = answer.get("role") or "normal"
    if answer.get("password"):
        state["password"] = answer["password"]


# Settings of a user's are of engines that do not run here.
USER = part(
    "User",
    "database user",
    "users",
    "user",
    "user/",
    NAME,
    text("role", Mode.COMPUTED, received=False),
    *each(text, "password accessCert accessKey", Mode.COMPUTED, secret=True, received=False),
    # The API loses one of two users made side by side.
    lock="users/{clusterId}",
    settle=lambda context, _plan, state, answer: _user_facts(context, state, answer),
    finish=_user_facts,
    read_after_create=False,
)


def _put_rules(context: Context, state: State, rules: list[Mapping[str, Any]]) -> None:
    """Replaces the whole list of trusted sources. The API wants every field of a rule, also those it fills in."""
    body = [
        {
            "uuid": rule.get("uuid") or "",
            "cluster_uuid": "",
            "type": rule["type"],
            "value": rule["value"],
            "created_at": NEVER,
        }
        for rule in rules
    ]
    context.api.call("PUT", fill(FIREWALL.item, state), {"rules": body})


def _given_rules(plan: Plan) -> list[Mapping[str, Any]]:
    return [{name: value for name, value in rule.items() if isinstance(value, str)} for rule in plan.get("rules")]


def _firewall_create(context: Context, plan: Plan) -> tuple[str, Mapping[str, Any]]:
    _put_rules(context, plan.state, _given_rules(plan))
    return unique_id(f"{plan.get('clusterId')}-"), {}


FIREWALL = ResourceType(
    token="digitalocean:index/databaseFirewall:DatabaseFirewall",  # noqa: S106
    noun="trusted sources",
    item="/v2/databases/{clusterId}/firewall",
    adopt=lambda identity: {"id": unique_id(f"{identity}-"), "clusterId": identity},
    properties=(
        CLUSTER_ID,
        objects(
            "rules",
            (
                text("type", Mode.REQUIRED, choices=("ip_addr", "droplet", "k8s", "tag", "app")),
                text("value", Mode.REQUIRED),
                *each(text, "uuid createdAt", Mode.COMPUTED),
            ),
            Kind.SET,
            Mode.REQUIRED,
        ),
    ),
    create=_firewall_create,
    update=lambda context, plan: _put_rules(context, plan.state, _given_rules(plan)),
    delete=lambda context, state: _put_rules(context, state, []),
)

POOL = part(
    "ConnectionPool",
    "connection pool",
    "pools",
    "pool",
    "",
    text("name", Mode.REQUIRED, autonamed=True, replace=True, within=(3, 63)),
    text("user", replace=True, keep_empty=True),
    text("mode", Mode.REQUIRED, replace=True, choices=("session", "transaction", "statement")),
    integer("size", Mode.REQUIRED, replace=True),
    text("dbName", Mode.REQUIRED, wire="db", replace=True),
    *connection_properties(owner=False),
    finish=lambda _context, state, answer: set_connections(state, answer, owner=False),
)

POOL_SECRETS = ("uri", "privateUri", "password")


def get_ca(context: Context, arguments: State) -> State:
    """The certificate of a cluster's certificate authority, as PEM."""
    cluster = arguments["clusterId"]
    answer = context.api.get(fill("/v2/databases/{clusterId}/ca", arguments))
    return {"id": cluster, "clusterId": cluster, "certificate": from_base64(answer["ca"]["certificate"])}


def get_pool(context: Context, arguments: State) -> State:
    """The connection pool of a cluster and a name. Raises ApiError where there is none."""
    found = context.api.get(fill(POOL.item, arguments))["pool"]
    cluster = arguments["clusterId"]
    state: State = {"id": f"{cluster}/{found['name']}", "clusterId": cluster, **decode(POOL.properties, found)}
    set_connections(state, found, owner=False)
    return state
