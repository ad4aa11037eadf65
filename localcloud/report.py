"""What `status` prints."""

from collections.abc import Sequence
from typing import Any

from localcloud.catalogue import RUNNING
from localcloud.daemon import Process
from localcloud.state import Tables

_REPLICA = {"id", "name", "status", "failure", "size", "port"}
_CLUSTER = _REPLICA | {"engine", "version", "num_nodes", "region", "pool_port", "databases"}
_DROPLET = {"id", "name", "status", "failure", "image", "size", "region", "public_address", "private_address"}


def describe(process: Process, tables: Tables) -> dict[str, Any]:
    """Everything `status` knows, as JSON data without secrets."""
    replicas, volumes = tables.replicas.values(), tables.volumes.values()
    return {
        "url": process.url,
        "pid": process.pid,
        "clusters": [
            {
                **cluster.model_dump(mode="json", include=_CLUSTER),
                "users": [user.name for user in cluster.users],
                "pools": [pool.model_dump() for pool in cluster.pools],
                "replicas": [item.model_dump(include=_REPLICA) for item in replicas if item.cluster_id == cluster.id],
            }
            for cluster in tables.clusters.values()
        ],
        "droplets": [
            {
                **droplet.model_dump(include=_DROPLET),
                "volumes": [volume.name for volume in volumes if volume.droplet_id == droplet.id],
            }
            for droplet in tables.droplets.values()
        ],
        "vpcs": [vpc.name for vpc in tables.vpcs.values()],
        "apps": [app.name for app in tables.apps.values()],
        "zones": [zone.name for zone in tables.zones.values()],
    }


def render(facts: dict[str, Any]) -> str:
    """The facts as a table for people."""
    rows: list[Sequence[str]] = []
    problems: list[str] = []
    for cluster in facts["clusters"]:
        what = f"{RUNNING[cluster['engine']].title} {cluster['version']}, {cluster['size']}, {cluster['region']}"
        what += f", {cluster['num_nodes']} nodes" if cluster["num_nodes"] > 1 else ""
        rows.append(("cluster", cluster["name"], cluster["status"], str(cluster["port"] or "-"), what))
        for pool in cluster["pools"]:
            what = f"{pool['mode']}, {pool['size']} connections to {pool['db']} as {pool['user'] or 'any user'}"
            rows.append(("pool", f"  {pool['name']}", cluster["status"], str(cluster["pool_port"] or "-"), what))
        for replica in cluster["replicas"]:
            row = ("replica", f"  {replica['name']}", replica["status"], str(replica["port"] or "-"), replica["size"])
            rows.append(row)
        problems += [
            f"{item['name']}: {item['failure']}" for item in (cluster, *cluster["replicas"]) if item["failure"]
        ]
    for droplet in facts["droplets"]:
        what = f"{droplet['private_address']}, {droplet['image']}, {droplet['size']}, {droplet['region']}"
        rows.append(("droplet", droplet["name"], droplet["status"], "-", what))
        problems += [f"{droplet['name']}: {droplet['failure']}"] if droplet["failure"] else []
    lines = [f"The local cloud answers at {facts['url']} (process {facts['pid']})."]
    lines += (
        _table(("kind", "name", "status", "port", "what"), rows)
        if rows
        else ["It has no database clusters and no Droplets."]
    )
    for kind in ("vpcs", "apps", "zones"):
        if facts[kind]:
            lines.append(f"{kind}: {', '.join(facts[kind])}")
    parts = [(part["name"], part["version"], part["package"] or "-", part["path"]) for part in facts.get("parts", ())]
    lines += _table(("part", "version", "package", "path"), parts) if parts else []
    return "\n".join([*lines, *problems])


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    ]
