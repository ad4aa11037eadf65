"""Bringing the servers of one cluster to what its record says, engine by engine."""

from collections.abc import Sequence
from pathlib import Path

from localcloud import catalogue, servers
from localcloud.records import Cluster, Rule
from localcloud.valkey import server_settings

_NOBODY = "255.255.255.255/32"
"""A source no client has. An empty list would admit everyone, so a list without addresses becomes this."""

Running = servers.Cluster | servers.Valkey


def trusted_sources(rules: Sequence[Rule]) -> tuple[str, ...]:
    """Addresses the servers admit. Rules that name a Droplet, an app, a tag or a Kubernetes cluster admit nobody."""
    if not rules:
        return ()
    return tuple(rule.value for rule in rules if rule.type == "ip_addr") or (_NOBODY,)


def load(
    record: Cluster, folder: Path, tools: servers.Tools, authority: servers.CertificateAuthority
) -> Running | None:
    """The cluster's servers in `folder`, as they are; None when they were never made, or not completely."""
    if record.engine == "valkey":
        return servers.Valkey.load(folder, tools) if servers.Valkey.exists(folder) else None
    return servers.Cluster.load(folder, tools, authority) if servers.Cluster.exists(folder) else None


def start(record: Cluster, folder: Path, tools: servers.Tools, authority: servers.CertificateAuthority) -> Running:
    """The cluster's servers in `folder`, running; made there when they do not exist yet. Raises ServerError."""
    found = load(record, folder, tools, authority)
    if found is not None:
        found.start()
        return found
    if record.engine == "valkey":
        return servers.Valkey.create(folder, _valkey(record), tools, authority)
    return servers.Cluster.create(folder, _postgresql(record), tools, authority)


def follow(record: Cluster, running: Running) -> None:
    """Changes running servers to what the record says: plan, settings, trusted sources. Raises ServerError."""
    if isinstance(running, servers.Valkey):
        settings = server_settings(record)
        if running.settings != settings:
            running.configure(settings)
    else:
        limit = catalogue.PLANS[record.size].max_connections
        if running.max_connections != limit:
            running.resize(limit)
    wanted = trusted_sources(record.rules)
    if running.trusted_sources != wanted:
        running.set_trusted_sources(wanted)


def _postgresql(record: Cluster) -> servers.ClusterSpec:
    return servers.ClusterSpec(
        id=record.id,
        version=record.version,
        max_connections=catalogue.PLANS[record.size].max_connections,
        admin_password=record.admin.password,
    )


def _valkey(record: Cluster) -> servers.ValkeySpec:
    return servers.ValkeySpec(id=record.id, settings=server_settings(record), admin_password=record.admin.password)
