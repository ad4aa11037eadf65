"""Bringing the servers of one cluster to what its record says, engine by engine."""

from collections.abc import Callable, Sequence
from datetime import datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from localcloud import catalogue, postgresql, servers
from localcloud.compute import addresses_of
from localcloud.networks import members
from localcloud.records import Cluster, Rule
from localcloud.state import Tables
from localcloud.valkey import server_settings

_NOBODY = "255.255.255.255/32"
"""A source no client has. An empty list would admit everyone, so a list without addresses becomes this."""

Running = servers.Cluster | servers.Valkey


def trusted_sources(rules: Sequence[Rule], tables: Tables) -> tuple[str, ...]:
    """Addresses the servers admit. Rules that name an app or a Kubernetes cluster admit nobody."""
    if not rules:
        return ()
    return tuple(dict.fromkeys(address for rule in rules for address in _addresses(rule, tables))) or (_NOBODY,)


def _addresses(rule: Rule, tables: Tables) -> Sequence[str]:
    if rule.type == "ip_addr":
        return (rule.value, *members(tables, IPv4Network(rule.value, strict=False)))
    return addresses_of(tables.droplets.values(), *([rule.value] if rule.type == k else () for k in ("droplet", "tag")))


def load(
    record: Cluster, folder: Path, tools: servers.Tools, authority: servers.CertificateAuthority
) -> Running | None:
    """The cluster's servers in `folder`, as they are; None when they were never made, or not completely."""
    if record.engine == "valkey":
        return servers.Valkey.load(folder, tools) if servers.Valkey.exists(folder) else None
    return servers.Cluster.load(folder, tools, authority) if servers.Cluster.exists(folder) else None


def start(
    record: Cluster,
    folder: Path,
    tools: servers.Tools,
    authority: servers.CertificateAuthority,
    running: Callable[[str], servers.Cluster],
    replica: Path,
) -> Running:
    """The cluster's servers in `folder`, running; made there when they do not exist yet. Raises ServerError.

    running: another cluster's servers by its id, for a cluster that is restored from it or was a replica of it.
    replica: the folder it had then.
    """
    found = load(record, folder, tools, authority)
    if found is not None:
        found.start()
        return found
    if record.engine == "valkey":
        return servers.Valkey.create(folder, _valkey(record), tools, authority)
    if record.promotion is not None:
        return running(record.promotion.cluster_id).release(record.promotion.name, replica, folder, record.id)
    if record.restore is not None:
        at = datetime.fromisoformat(record.restore.at)
        return running(record.restore.cluster_id).restore(folder, _postgresql(record), at)
    return servers.Cluster.create(folder, _postgresql(record), tools, authority)


def filled(record: Cluster, running: Running) -> dict[str, Any]:
    """What the servers tell the record. One that was just restored keeps the users that were there then.

    They get the passwords in the record, which may be newer than the backup.
    """
    if isinstance(running, servers.Valkey):
        return {"port": running.state.port}
    found: dict[str, Any] = {
        "port": running.state.port,
        "pool_port": running.state.pool_port,
        "standby_port": running.standby_port,
    }
    found |= {"version": running.state.version, "promotion": None}
    if record.restore is None:
        return found
    present = running.users()
    users = tuple(user for user in record.users if user.name in present)
    for user in users:
        running.set_password(user.name, user.password)
    return found | {"users": users, "databases": running.databases(), "restore": None}


def follow(record: Cluster, running: Running, tables: Tables) -> None:
    """Changes running servers to what the records say: plan, nodes, settings, trusted sources. Raises ServerError."""
    if isinstance(running, servers.Valkey):
        settings = server_settings(record)
        if running.state.settings != settings:
            running.configure(settings)
    else:
        limit = catalogue.PLANS[record.size].max_connections
        if running.state.max_connections != limit:
            running.resize(limit)
        parameters = postgresql.parameters(record)
        if running.state.parameters != parameters:
            running.configure(parameters)
        if len(running.standbys) != record.num_nodes - 1:
            running.set_standbys(record.num_nodes - 1)
    wanted = trusted_sources(record.rules, tables)
    if running.state.trusted_sources != wanted:
        running.set_trusted_sources(wanted)


def _postgresql(record: Cluster) -> servers.ClusterSpec:
    return servers.ClusterSpec(
        id=record.id,
        version=record.version,
        max_connections=catalogue.PLANS[record.size].max_connections,
        admin_password=record.admin.password,
        ports=(record.port, record.pool_port),
    )


def _valkey(record: Cluster) -> servers.ValkeySpec:
    return servers.ValkeySpec(
        id=record.id, settings=server_settings(record), admin_password=record.admin.password, port=record.port
    )
