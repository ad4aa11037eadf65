"""The settings /config takes, by engine, with their bounds."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from localcloud import postgresql
from localcloud.api.errors import Unprocessable
from localcloud.valkey import BOUNDS, EVICTION_POLICIES, server_policy

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

_POOLER = """
autodb_idle_timeout autodb_max_db_connections autodb_pool_mode autodb_pool_size ignore_startup_parameters min_pool_size
server_idle_timeout server_lifetime server_reset_query_always
"""
_GROUPS = {"pgbouncer": frozenset(_POOLER.split()), "timescaledb": frozenset({"max_background_workers"})}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What an engine's settings may be. groups: settings that are objects, with the names they may hold."""

    title: str
    numbers: Mapping[str, tuple[float, float]]
    choices: Mapping[str, tuple[str, ...]]
    flags: tuple[str, ...]
    texts: Mapping[str, str]
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def check(self, given: Mapping[str, Any]) -> None:
        """Raises Unprocessable for the first setting that does not exist or is out of its bounds."""
        for name, value in given.items():
            if (allowed := self._broken(name, value)) is not None:
                raise Unprocessable(f"config.{name}: {value!r} cannot be used. {allowed}")

    def shown(self, rows: Iterable[tuple[str, str, str | None]]) -> dict[str, Any]:
        """What the API shows of a PostgreSQL server's settings, rows of pg_settings: those that could be set so."""
        found: dict[str, Any] = {}
        for name, text, unit in rows:
            known = {choice.lower(): choice for choice in self.choices.get(name, ())}
            value = known.get(text.lower(), text) if known else postgresql.value(name, text, unit)
            if value is not None and self._broken(name, value) is None:
                found[name] = value
        return found

    def _broken(self, name: str, value: Any) -> str | None:
        """What would be allowed, when `value` is not; None when it is."""
        if name in self.numbers:
            low, high = self.numbers[name]
            kind = int if isinstance(low, int) else int | float
            fits = isinstance(value, kind) and not isinstance(value, bool) and low <= value <= high
            return None if fits else f"Allowed: a {'whole ' if kind is int else ''}number from {low} to {high}."
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
        numbers={name: (setting.low, setting.high) for name, setting in postgresql.SETTINGS.items()},
        choices=_CHOICES,
        flags=("jit", "stat_monitor_enable"),
        texts={"timezone": ".{1,64}", "pg_partman_bgw.role": ".{1,64}"},
        groups=_GROUPS,
    ),
    "valkey": Rules(
        title="Valkey",
        numbers=BOUNDS,
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
