"""The settings of a PostgreSQL cluster's configuration, and what they mean to its server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcloud.records import Cluster

_LARGEST = {"int": 2**31 - 1, "long": 2**63 - 1}
_SIZES = {"": 1, "1": 1, "B": 1, "kB": 2**10, "8kB": 2**13, "MB": 2**20, "ms": 1, "s": 1000, "min": 60_000}
"""Of PostgreSQL's units, in bytes or milliseconds."""

_TABLE = """
autovacuum_analyze_scale_factor 0.0 1.0 1; autovacuum_analyze_threshold 0 int 1
autovacuum_freeze_max_age 200000000 1500000000 1*; autovacuum_max_workers 1 20 1*; autovacuum_naptime 0 86400 s
autovacuum_vacuum_cost_delay -1 100 ms; autovacuum_vacuum_cost_limit -1 10000 1
autovacuum_vacuum_scale_factor 0.0 1.0 1; autovacuum_vacuum_threshold 0 int 1; backup_hour 0 23 -
backup_minute 0 59 -; bgwriter_delay 10 10000 ms; bgwriter_flush_after 0 2048 kB; bgwriter_lru_maxpages 0 1073741823 1
bgwriter_lru_multiplier 0.0 10.0 1; deadlock_timeout 500 1800000 ms
idle_in_transaction_session_timeout 0 604800000 ms; log_autovacuum_min_duration -1 int ms
log_min_duration_statement -1 86400000 ms; max_connections 25 int -; max_failover_replication_time_lag 10 long -
max_files_per_process 1000 4096 1*; max_locks_per_transaction 64 6400 1*; max_logical_replication_workers 4 64 1*
max_parallel_workers 0 96 1; max_parallel_workers_per_gather 0 96 1; max_pred_locks_per_transaction 64 640 1*
max_prepared_transactions 0 10000 1*; max_replication_slots 8 64 1*; max_slot_wal_keep_size -1 int MB*
max_stack_depth 2097152 6291456 B*; max_standby_archive_delay 1 43200000 ms*
max_standby_streaming_delay 1 43200000 ms*; max_wal_senders 20 64 1*; max_worker_processes 8 96 1*
pg_partman_bgw.interval 3600 604800 -; shared_buffers_percentage 20.0 60.0 -; temp_file_limit -1 int kB
track_activity_query_size 1024 10240 B*; wal_sender_timeout 0 10800000 ms; wal_writer_delay 10 200 ms
work_mem 1 1024 MB
"""
"""Name, smallest, largest, the API's unit. A star: the server needs a restart for it, so it is stored only. No unit:
it is no setting of the server's, or one that here follows the plan. Source: DigitalOcean's OpenAPI document."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A setting that is a number. unit: "" for one that the server does not have. live: whether the server follows."""

    low: float
    high: float
    unit: str
    live: bool


def _read(table: str) -> Iterable[tuple[str, Setting]]:
    for entry in table.replace("\n", ";").strip("; ").split(";"):
        name, low, high, unit = entry.split()
        kind = float if "." in low else int
        most = _LARGEST[high] if high in _LARGEST else kind(high)
        yield name, Setting(low=kind(low), high=most, unit=unit.strip("*-"), live=unit[-1] not in "*-")


SETTINGS: Mapping[str, Setting] = dict(_read(_TABLE))
_LIVE_WORDS = ("default_toast_compression", "jit", "log_error_verbosity", "pg_stat_statements.track", "timezone")
_LIVE = {*_LIVE_WORDS, "track_functions", "track_io_timing", *(name for name, item in SETTINGS.items() if item.live)}


def parameters(cluster: Cluster) -> dict[str, str]:
    """The server's own settings that the cluster's configuration asks for."""
    return {name: _text(name, value) for name, value in cluster.config.items() if name in _LIVE}


def value(name: str, text: str, unit: str | None) -> Any:
    """What the API shows of a setting of the server's, given as pg_settings has it; None for one that has no place."""
    if name not in SETTINGS:
        return text == "on" if name == "jit" else text
    if not SETTINGS[name].unit:
        return None
    number = float(text)
    if number != -1:
        number *= _SIZES[unit or ""] / _SIZES[SETTINGS[name].unit]
    return number if isinstance(SETTINGS[name].low, float) else int(number)


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    # Minus one, PostgreSQL's "never" and "no limit", takes no unit.
    unit = SETTINGS[name].unit.strip("1") if name in SETTINGS and value != -1 else ""
    return f"{value}{unit}"
