"""The settings /config takes, by engine, with their bounds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localcloud.api.errors import Unprocessable
from localcloud.valkey import EVICTION_POLICIES, server_policy

_INT_MAX = 2_147_483_647

_INTEGERS: dict[str, tuple[int, int]] = {
    "autovacuum_analyze_threshold": (0, _INT_MAX),
    "autovacuum_freeze_max_age": (200_000_000, 1_500_000_000),
    "autovacuum_max_workers": (1, 20),
    "autovacuum_naptime": (0, 86_400),
    "autovacuum_vacuum_cost_delay": (-1, 100),
    "autovacuum_vacuum_cost_limit": (-1, 10_000),
    "autovacuum_vacuum_threshold": (0, _INT_MAX),
    "backup_hour": (0, 23),
    "backup_minute": (0, 59),
    "bgwriter_delay": (10, 10_000),
    "bgwriter_flush_after": (0, 2048),
    "bgwriter_lru_maxpages": (0, 1_073_741_823),
    "deadlock_timeout": (500, 1_800_000),
    "idle_in_transaction_session_timeout": (0, 604_800_000),
    "log_autovacuum_min_duration": (-1, _INT_MAX),
    "log_min_duration_statement": (-1, 86_400_000),
    "max_connections": (25, _INT_MAX),
    "max_failover_replication_time_lag": (10, 2**63 - 1),
    "max_files_per_process": (1000, 4096),
    "max_locks_per_transaction": (64, 6400),
    "max_logical_replication_workers": (4, 64),
    "max_parallel_workers": (0, 96),
    "max_parallel_workers_per_gather": (0, 96),
    "max_pred_locks_per_transaction": (64, 640),
    "max_prepared_transactions": (0, 10_000),
    "max_replication_slots": (8, 64),
    "max_slot_wal_keep_size": (-1, _INT_MAX),
    "max_stack_depth": (2_097_152, 6_291_456),
    "max_standby_archive_delay": (1, 43_200_000),
    "max_standby_streaming_delay": (1, 43_200_000),
    "max_wal_senders": (20, 64),
    "max_worker_processes": (8, 96),
    "pg_partman_bgw.interval": (3600, 604_800),
    "temp_file_limit": (-1, _INT_MAX),
    "track_activity_query_size": (1024, 10_240),
    "wal_sender_timeout": (0, 10_800_000),
    "wal_writer_delay": (10, 200),
    "work_mem": (1, 1024),
}

_NUMBERS: dict[str, tuple[float, float]] = {
    "autovacuum_analyze_scale_factor": (0, 1),
    "autovacuum_vacuum_scale_factor": (0, 1),
    "bgwriter_lru_multiplier": (0, 10),
    "shared_buffers_percentage": (20, 60),
}

_CHOICES: dict[str, tuple[str, ...]] = {
    "default_toast_compression": ("lz4", "pglz"),
    "log_error_verbosity": ("TERSE", "DEFAULT", "VERBOSE"),
    "log_line_prefix": (
        "pid=%p,user=%u,db=%d,app=%a,client=%h",
        "%m [%p] %q[user=%u,db=%d,app=%a]",
        "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h",
    ),
    "pg_stat_statements.track": ("all", "top", "none"),
    "synchronous_replication": ("off", "quorum"),
    "track_commit_timestamp": ("off", "on"),
    "track_functions": ("all", "pl", "none"),
    "track_io_timing": ("off", "on"),
}

_GROUPS: dict[str, frozenset[str]] = {
    "pgbouncer": frozenset(
        {
            "autodb_idle_timeout",
            "autodb_max_db_connections",
            "autodb_pool_mode",
            "autodb_pool_size",
            "ignore_startup_parameters",
            "min_pool_size",
            "server_idle_timeout",
            "server_lifetime",
            "server_reset_query_always",
        }
    ),
    "timescaledb": frozenset({"max_background_workers"}),
}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What an engine's settings may be. groups: settings that are objects, with the names they may hold."""

    title: str
    integers: Mapping[str, tuple[int, int]]
    numbers: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]]
    flags: tuple[str, ...]
    texts: Mapping[str, str]
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def check(self, given: Mapping[str, Any]) -> None:
        """Raises Unprocessable for the first setting that does not exist or is out of its bounds."""
        for name, value in given.items():
            if (allowed := self._broken(name, value)) is not None:
                raise Unprocessable(f"config.{name}: {value!r} cannot be used. {allowed}")

    def _broken(self, name: str, value: Any) -> str | None:
        """What would be allowed, when `value` is not; None when it is."""
        if name in self.integers:
            low, high = self.integers[name]
            fits = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
            return None if fits else f"Allowed: a whole number from {low} to {high}."
        if name in self.numbers:
            least, most = self.numbers[name]
            fits = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
            return None if fits else f"Allowed: a number from {least} to {most}."
        if name in self.choices:
            return None if value in self.choices[name] else f"Allowed: {', '.join(self.choices[name])}."
        if name in self.flags:
            return None if isinstance(value, bool) else "Allowed: true or false."
        if name in self.texts:
            fits = isinstance(value, str) and re.fullmatch(self.texts[name], value) is not None
            return None if fits else f"Allowed: a text that matches {self.texts[name]}"
        if name in self.groups:
            unknown = set(value) - self.groups[name] if isinstance(value, dict) else {"(not an object)"}
            return f"Unknown in it: {', '.join(sorted(unknown))}." if unknown else None
        return f"There is no such {self.title} setting."


RULES = {
    "pg": Rules(
        title="PostgreSQL",
        integers=_INTEGERS,
        numbers=_NUMBERS,
        choices=_CHOICES,
        flags=("jit", "stat_monitor_enable"),
        texts={"timezone": ".{1,64}", "pg_partman_bgw.role": ".{1,64}"},
        groups=_GROUPS,
    ),
    "valkey": Rules(
        title="Valkey",
        integers={
            "valkey_active_expire_effort": (1, 10),
            "valkey_io_threads": (1, 32),
            "valkey_lfu_decay_time": (1, 120),
            "valkey_lfu_log_factor": (0, 100),
            "valkey_number_of_databases": (1, 128),
            "valkey_pubsub_client_output_buffer_limit": (32, 512),
            "valkey_timeout": (0, 31_536_000),
        },
        choices={
            "valkey_acl_channels_default": ("allchannels", "resetchannels"),
            "valkey_maxmemory_policy": (*EVICTION_POLICIES, *map(server_policy, EVICTION_POLICIES[1:])),
            "valkey_persistence": ("off", "rdb"),
        },
        flags=("frequent_snapshots", "valkey_ssl"),
        texts={"valkey_notify_keyspace_events": r"[KEg$lshzxeA]{0,32}"},
    ),
}
"""Rules by engine. Source: DigitalOcean's OpenAPI document."""
RULES["advanced_pg"] = RULES["pg"]
