"""Clusters, replicas, pools and users as the API shows them."""

from typing import Any

from localcloud import catalogue
from localcloud.networks import PRIVATE_HOST, PUBLIC_HOST, connection
from localcloud.records import Cluster, Pool, Replica, Rule, User

DEFAULT_DATABASE = "defaultdb"


_COMMON = {"id", "name", "region", "size", "created_at", "storage_size_mib", "private_network_uuid"}


def _common(record: Cluster | Replica) -> dict[str, Any]:
    """The API has no word for servers that are started again; "migrating" is what replacing a failed node is there."""
    status = "migrating" if record.status == "restarting" else record.status
    return record.model_dump(include=_COMMON) | {"status": status, "tags": list(record.tags)}


def user(record: User) -> dict[str, Any]:
    return record.model_dump(include={"name", "role", "password"})


def rule(record: Rule, cluster_id: str) -> dict[str, Any]:
    return record.model_dump() | {"cluster_uuid": cluster_id}


def pool(record: Pool, cluster: Cluster) -> dict[str, Any]:
    account = cluster.user(record.user) if record.user else None
    shown = record.model_dump(exclude_none=True)
    return shown | {
        "connection": connection(PUBLIC_HOST, cluster.pool_port, record.name, account),
        "private_connection": connection(PRIVATE_HOST, cluster.pool_port, record.name, account),
    }


def cluster(record: Cluster) -> dict[str, Any]:
    def way_in(host: str) -> dict[str, Any]:
        if record.engine == "valkey":
            # Its databases have numbers, so the URI names none.
            return connection(host, record.port, "", record.admin, "rediss")
        return connection(host, record.port, DEFAULT_DATABASE, record.admin)

    shown = _common(record) | {
        "engine": record.engine,
        "version": record.version,
        "num_nodes": record.num_nodes,
        "project_id": record.project_id,
        "db_names": list(record.databases),
        "users": [user(item) for item in record.users],
        "rules": [rule(item, record.id) for item in record.rules],
        "maintenance_window": record.maintenance.model_dump(),
        "connection": way_in(PUBLIC_HOST),
        "private_connection": way_in(PRIVATE_HOST),
    }
    if record.metrics_port:
        shown["metrics_endpoints"] = [{"host": PUBLIC_HOST, "port": record.metrics_port}]
    if record.standby_port:
        for way, host in (("standby_connection", PUBLIC_HOST), ("standby_private_connection", PRIVATE_HOST)):
            shown[way] = connection(host, record.standby_port, DEFAULT_DATABASE, record.admin)
    if end_of_life := catalogue.RUNNING[record.engine].versions[record.version]:
        shown["version_end_of_life"] = end_of_life
    if record.autoscale is not None:
        # The OpenAPI document has the first, DigitalOcean's Go client reads the second.
        shown["autoscale"] = {"storage": record.autoscale.model_dump(exclude_none=True)}
        shown["storage_autoscale"] = shown["autoscale"]["storage"]
    return shown


def replica(record: Replica, primary: Cluster) -> dict[str, Any]:
    ways = {"connection": PUBLIC_HOST, "private_connection": PRIVATE_HOST}
    return _common(record) | {
        way: connection(host, record.port, DEFAULT_DATABASE, primary.admin) for way, host in ways.items()
    }
