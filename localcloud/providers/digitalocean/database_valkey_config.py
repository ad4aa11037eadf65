"""The settings of a Valkey cluster that DigitalOcean lets a user change."""

from typing import Any

from localcloud.providers.context import Context
from localcloud.providers.digitalocean.database_parts import CLUSTER_ID
from localcloud.providers.http import quoted
from localcloud.providers.operations import fill, known
from localcloud.providers.planning import Plan
from localcloud.providers.schema import Mode, ResourceType, boolean, integer, text
from localcloud.providers.values import encode

COMPUTED = Mode.OPTIONAL_COMPUTED
INTEGERS = {
    "ioThreads": (1, 32),
    "lfuDecayTime": (1, 120),
    "lfuLogFactor": (1, 100),
    "numberOfDatabases": (1, 128),
    "pubsubClientOutputBufferLimit": (32, 512),
}
POLICIES = ("noeviction", "allkeys-lru", "allkeys-random", "volatile-lru", "volatile-random", "volatile-ttl")


def _wire(name: str) -> dict[str, Any]:
    """How the API spells a setting: with the engine in front."""
    return {"wire": f"valkey_{text(name).key}"}


def _send(context: Context, plan: Plan) -> None:
    """Sets what is planned. As with the official plugin, a zero is taken for nothing and not sent."""
    cluster = context.api.get(f"/v2/databases/{quoted(plan.get('clusterId'))}")["database"]
    if cluster["engine"] != "valkey":
        raise ValueError(f"the cluster {cluster['name']} is not a Valkey cluster; its engine is {cluster['engine']}")
    body = encode(plan.type.properties, known(plan.state))
    context.api.call("PATCH", fill(VALKEY_CONFIG.item, plan.state), {"config": body})


def _create(context: Context, plan: Plan) -> tuple[str, dict[str, Any]]:
    _send(context, plan)
    return f"{plan.get('clusterId')}/valkey-config", {}


VALKEY_CONFIG = ResourceType(
    token="digitalocean:index/databaseValkeyConfig:DatabaseValkeyConfig",  # noqa: S106
    noun="Valkey configuration",
    item="/v2/databases/{clusterId}/config",
    root="config",
    adopt=lambda identity: {"id": f"{identity}/valkey-config", "clusterId": identity},
    properties=(
        CLUSTER_ID,
        *(integer(name, COMPUTED, within=bounds, **_wire(name)) for name, bounds in INTEGERS.items()),
        integer("timeout", COMPUTED, explicit=True, **_wire("timeout")),
        boolean("ssl", COMPUTED, explicit=True, **_wire("ssl")),
        text("aclChannelsDefault", COMPUTED, choices=("allchannels", "resetchannels"), **_wire("aclChannelsDefault")),
        text("notifyKeyspaceEvents", COMPUTED, within=(0, 32), **_wire("notifyKeyspaceEvents")),
        text("persistence", COMPUTED, choices=("off", "rdb"), **_wire("persistence")),
        text("valkeyMaxmemoryPolicy", COMPUTED, choices=POLICIES),
        # As in the official plugin, which takes these two, and neither sends nor reads them.
        integer("valkeyActiveExpireEffort", COMPUTED, within=(1, 10), sent=False, received=False),
        boolean("frequentSnapshots", COMPUTED, sent=False, received=False),
    ),
    create=_create,
    update=_send,
    # There is nothing to delete: a cluster always has a configuration.
    delete=lambda _context, _state: None,
)
