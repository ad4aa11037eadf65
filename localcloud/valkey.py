"""What a Valkey cluster's record means to its server."""

from collections.abc import Mapping
from typing import Any

from localcloud import catalogue, servers
from localcloud.records import Cluster

EVICTION_POLICIES = ("noeviction", "allkeys_lru", "allkeys_random", "volatile_lru", "volatile_random", "volatile_ttl")
"""In the words of /eviction_policy; the server's, and those of the official provider for /config, have dashes."""

_TABLE = """
valkey_active_expire_effort 1 10 1 active-expire-effort; valkey_io_threads 1 32 1 io-threads
valkey_lfu_decay_time 1 120 1 lfu-decay-time; valkey_lfu_log_factor 0 100 1 lfu-log-factor
valkey_number_of_databases 1 128 16 databases; valkey_timeout 0 31536000 300 timeout
valkey_pubsub_client_output_buffer_limit 32 512 64 -
"""
"""Name, smallest, largest, what a cluster has that was never configured, the server's name for it. Source:
DigitalOcean's OpenAPI document, its defaults or else its examples."""
_NUMBERS = [entry.split() for entry in _TABLE.strip().replace("\n", ";").split(";")]

BOUNDS: Mapping[str, tuple[float, float]] = {name: (int(low), int(high)) for name, low, high, *_ in _NUMBERS}

DEFAULTS: Mapping[str, Any] = {
    **{name: int(usual) for name, _, _, usual, _ in _NUMBERS},
    "frequent_snapshots": True,
    "valkey_acl_channels_default": "allchannels",
    "valkey_notify_keyspace_events": "",
    "valkey_persistence": "rdb",
    "valkey_ssl": True,
}

_DIRECTIVES = {name: directive for name, *_, directive in _NUMBERS if directive != "-"} | {
    "valkey_acl_channels_default": "acl-pubsub-default",
    "valkey_notify_keyspace_events": "notify-keyspace-events",
}
"""Settings whose value the server takes as it is. `valkey_ssl` is not among them: there is TLS only."""

_FREQUENT, _DAILY = "600 1", "86400 1"
"""A snapshot after so many seconds in which at least one key changed."""


def configuration(cluster: Cluster) -> dict[str, Any]:
    """Every setting of the cluster, as the API shows it."""
    return {**DEFAULTS, **cluster.config, "valkey_maxmemory_policy": server_policy(cluster.eviction_policy)}


def server_policy(policy: str) -> str:
    """An eviction policy in the server's words, which the configuration shows too."""
    return policy.replace("_", "-")


def server_settings(cluster: Cluster) -> servers.ValkeySettings:
    """What the cluster's server is to follow."""
    wanted = configuration(cluster)
    snapshots = _FREQUENT if wanted["frequent_snapshots"] else _DAILY
    buffer = wanted["valkey_pubsub_client_output_buffer_limit"]
    directives = {directive: str(wanted[name]) for name, directive in _DIRECTIVES.items()}
    directives |= {
        "maxmemory-policy": wanted["valkey_maxmemory_policy"],
        "save": snapshots if wanted["valkey_persistence"] == "rdb" else "",
        # A quarter of it may stand for a minute, the server's own proportion.
        "client-output-buffer-limit": f"pubsub {buffer}mb {buffer // 4}mb 60",
    }
    return servers.ValkeySettings(max_memory_mib=catalogue.PLANS[cluster.size].valkey_memory_mib, directives=directives)
