"""What the servers of a cluster use and do, measured: the numbers behind its metrics endpoint and its alerts."""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from localcloud import catalogue, servers
from localcloud.engines import Running
from localcloud.records import Cluster

_MIB = 2**20
_TICKS = os.sysconf("SC_CLK_TCK")
_COUNTERS = """
xact_commit xact_rollback blks_read blks_hit tup_returned tup_fetched tup_inserted tup_updated tup_deleted conflicts
temp_files temp_bytes deadlocks
""".split()
_DATABASES = """
SELECT to_jsonb(s) || jsonb_build_object('size', pg_database_size(d.oid))
FROM pg_stat_database s JOIN pg_database d USING (datname) WHERE NOT datistemplate
"""
_STATES = "SELECT datname, coalesce(state, ''), count(*) FROM pg_stat_activity WHERE datname <> '' GROUP BY 1, 2"
_POOLS = "cl_active cl_waiting sv_active sv_idle sv_used maxwait".split()

Labels = tuple[tuple[str, str], ...]
Sample = tuple[str, Labels, float]
"""A name, in Telegraf's words as DigitalOcean's metrics are, its labels and its value."""


class Meter:
    """Measures one cluster. The share of the processor is of the time since the measure before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spent, self._at = _seconds(folder), time.monotonic()

    def machine(self, record: Cluster) -> dict[str, float]:
        """The plan and what is used of it. A node here is the processes and files of a cluster."""
        plan = catalogue.PLANS[record.size]
        spent, at = _seconds(self._folder), time.monotonic()
        busy = 100 * max(0.0, spent - self._spent) / max(at - self._at, 0.1) / plan.vcpus
        self._spent, self._at = spent, at
        memory, disk = plan.memory_gib * 1024 * _MIB, record.storage_size_mib * _MIB
        # Backups lie elsewhere at DigitalOcean.
        files = (path for path in self._folder.rglob("*") if path.relative_to(self._folder).parts[0] != "backups")
        used, stored = sum(map(_memory, _pids(self._folder))), sum(map(_blocks, files))
        loads = dict(zip(("system_load1", "system_load5", "system_load15"), os.getloadavg(), strict=True))
        return loads | {
            "system_n_cpus": plan.vcpus,
            "cpu_usage_user": busy,
            "cpu_usage_idle": max(0.0, 100 - busy),
            "mem_total": memory,
            "mem_used": used,
            "mem_used_percent": 100 * used / memory,
            "disk_total": disk,
            "disk_used": stored,
            "disk_used_percent": 100 * stored / disk,
        }

    def samples(self, record: Cluster, running: Running) -> Iterator[Sample]:
        """All numbers of the cluster. Raises ServerError, psycopg.Error when the servers do not answer."""
        for name, value in self.machine(record).items():
            yield name, (), value
        if isinstance(running, servers.Valkey):
            return
        yield "postgresql_max_connections", (), running.state.max_connections
        of: Labels
        for (row,) in running.query(_DATABASES):
            of = (("db", row["datname"]),)
            yield "postgresql_numbackends", of, row["numbackends"]
            yield "postgresql_database_size_bytes", of, row["size"]
            for counter in _COUNTERS:
                yield f"postgresql_{counter}", of, row[counter]
        for name, state, count in running.query(_STATES):
            yield "postgresql_connections", (("db", name), ("state", state)), count
        for name, replica in running.replicas.items():
            lag, of = replica.lag(), (("replica", name),)
            yield "postgresql_replication_streaming", of, lag is not None
            if lag is not None:
                yield "postgresql_replication_lag_bytes", of, lag
        for pool in running.pool_statistics():
            of = (("db", str(pool["database"])), ("user", str(pool["user"])))
            for column in _POOLS:
                yield f"pgbouncer_pools_{column}", of, pool[column]


def exposition(samples: Iterator[Sample], labels: Mapping[str, str]) -> str:
    """The samples in Prometheus' text format, each with these labels besides its own."""
    lines: dict[str, list[str]] = {}
    for name, own, value in samples:
        shown = ",".join(f'{key}="{text}"' for key, text in (*labels.items(), *own))
        kind = "counter" if name.removeprefix("postgresql_") in _COUNTERS else "gauge"
        lines.setdefault(name, [f"# TYPE {name} {kind}"]).append(f"{name}{{{shown}}} {float(value):.10g}")
    return "".join(f"{line}\n" for of_one in lines.values() for line in of_one)


def _pids(folder: Path) -> list[Any]:
    return [process.pid for process in servers.processes_within(folder)]


def _seconds(folder: Path) -> float:
    """Processor time of the cluster's processes, and of those they waited for."""
    total = 0
    for pid in _pids(folder):
        fields = _read(pid, "stat").rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))
    return total / _TICKS


def _memory(pid: int) -> int:
    """Bytes; what processes share is counted once."""
    for line in _read(pid, "smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text("ascii", "replace")
    except OSError:  # ended meanwhile
        return ""


def _blocks(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except OSError:  # removed meanwhile
        return 0
