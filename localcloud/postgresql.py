"""What a PostgreSQL cluster's configuration means to its server."""

from typing import Any

from localcloud.records import Cluster

_UNITS = {
    "autovacuum_analyze_scale_factor": "",
    "autovacuum_analyze_threshold": "",
    "autovacuum_naptime": "s",
    "autovacuum_vacuum_cost_delay": "ms",
    "autovacuum_vacuum_cost_limit": "",
    "autovacuum_vacuum_scale_factor": "",
    "autovacuum_vacuum_threshold": "",
    "bgwriter_delay": "ms",
    "bgwriter_flush_after": "kB",
    "bgwriter_lru_maxpages": "",
    "bgwriter_lru_multiplier": "",
    "deadlock_timeout": "ms",
    "default_toast_compression": "",
    "idle_in_transaction_session_timeout": "ms",
    "jit": "",
    "log_autovacuum_min_duration": "ms",
    "log_error_verbosity": "",
    "log_min_duration_statement": "ms",
    "max_parallel_workers": "",
    "max_parallel_workers_per_gather": "",
    "pg_stat_statements.track": "",
    "temp_file_limit": "kB",
    "timezone": "",
    "track_functions": "",
    "track_io_timing": "",
    "wal_sender_timeout": "ms",
    "wal_writer_delay": "ms",
    "work_mem": "MB",
}
"""The settings the server is given, with the API's unit. PostgreSQL takes all of them without a restart; those that
need one are only stored. Source of the units: DigitalOcean's OpenAPI document."""


def parameters(cluster: Cluster) -> dict[str, str]:
    """The server's own settings that the cluster's configuration asks for."""
    return {name: _text(value, _UNITS[name]) for name, value in cluster.config.items() if name in _UNITS}


def _text(value: Any, unit: str) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    # Minus one, PostgreSQL's "never" and "no limit", takes no unit.
    return str(value) if value == -1 else f"{value}{unit}"
