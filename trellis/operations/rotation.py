"""Passwords that were changed at the cloud since the state was written."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from trellis.operations.ownership import Clouds, at

# Type -> where its password can be read, as a format string over the state's outputs, and its place in the answer.
LOGINS = {
    "digitalocean:index/databaseCluster:DatabaseCluster": ("/v2/databases/{id}", "database.connection.password"),
    "digitalocean:index/databaseUser:DatabaseUser": ("/v2/databases/{clusterId}/users/{name}", "user.password"),
}


def changed_logins(clouds: Clouds, resources: Iterable[Mapping[str, Any]]) -> list[str]:
    """The URNs of clusters and users that are gone, or have another password than the state, whose secrets are shown.

    One small request each. Raises OperationError where the cloud cannot be asked.
    """
    changed = []
    for resource in resources:
        if resource["type"] not in LOGINS or resource.get("delete") or resource.get("pendingReplacement"):
            continue
        path, where = LOGINS[resource["type"]]
        outputs = {**(resource.get("outputs") or {}), "id": resource.get("id")}
        answer = clouds.digitalocean.get(path.format(**outputs))
        now = at(answer, where)
        # A token without leave to see passwords is told none.
        if answer is None or (now and now != json.loads((outputs.get("password") or {}).get("plaintext", "null"))):
            changed.append(resource["urn"])
    return changed
