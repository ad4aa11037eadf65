"""The stack as it is deployed: its clusters' endpoints, and the login that they take."""

from trellis.monitoring.watched import Endpoint, Login, Watched
from trellis.operations.engine import resource
from trellis.operations.errors import OperationError
from trellis.operations.status.look import Stack
from trellis.policies.kinds import CLUSTER

_LOGIN = "/v2/databases/metrics/credentials"


def watched(stack: Stack) -> Watched:
    """Asks DigitalOcean for the endpoints of the managed clusters. Raises OperationError."""
    api = stack.clouds.digitalocean if any(not one.self_hosted for one in stack.settings.clusters) else None
    endpoints = []
    for cluster in stack.settings.clusters:
        if cluster.self_hosted or api is None:
            continue
        made = resource(stack.resources, CLUSTER, cluster.made_as)
        found = (api.get(f"/v2/databases/{made['id']}") or {}).get("database") if made else None
        if found is None:
            raise OperationError(f"DigitalOcean has no cluster {cluster.made_as}. `trellis up` makes it.")
        targets = tuple(f"{one['host']}:{one['port']}" for one in found.get("metrics_endpoints") or ())
        if targets:
            authority = str(stack.outputs["ca_certificates"][cluster.name])
            endpoints.append(Endpoint(cluster=cluster.name, targets=targets, authority=authority))
    login = None
    if api is not None and endpoints:
        told = (api.get(_LOGIN) or {}).get("credentials") or {}
        try:
            login = Login(user=told["basic_auth_username"], password=told["basic_auth_password"])
        except KeyError:
            raise OperationError(f"GET {_LOGIN} of {api.base} names no user and password.") from None
    return Watched(name=stack.name, settings=stack.settings, endpoints=tuple(endpoints), login=login)
