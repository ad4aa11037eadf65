"""Look-up functions over what other programs made."""

from localcloud.providers.context import Context
from localcloud.providers.digitalocean.connections import set_connections
from localcloud.providers.digitalocean.database_parts import POOL
from localcloud.providers.operations import fill
from localcloud.providers.schema import State
from localcloud.providers.values import decode, from_base64

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
