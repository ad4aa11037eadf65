"""A look as Prometheus reads it: a text file for node_exporter's textfile collector, or for a Pushgateway."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from trellis.monitoring.findings import Severity
from trellis.monitoring.limits import GIB
from trellis.operations.status import history
from trellis.operations.status.judging import backup
from trellis.operations.status.look import Page, Seen

NEVER = 0
"""The time of what has not happened: a series that is not there cannot be told from one that is no longer looked at."""

HELP: Mapping[str, str] = {
    "looked_timestamp_seconds": "When `trellis status` looked",
    "findings": "Findings by how bad they are",
    "finding": "1 while there is this finding",
    "finding_told": "The same with its words: what was found, and what to do",
    "connections": "Connections of clients",
    "connections_allowed": "Connections that the plan allows",
    "storage_bytes": "All databases together",
    "storage_allowed_bytes": "Storage of the plan",
    "database_bytes": "A database",
    "migrations_pending": "Files that are not applied",
    "pool_busy": "Server connections of the pool at work",
    "pool_size": "Server connections that the pool may have",
    "way_up": "1 where a client gets in, with verification",
    "way_seconds": "From the first packet to the first answer",
    "replica_lag_seconds": "How long a replica is behind",
    "replica_lag_bytes": "How much of the log a replica has not applied",
    "statement_mean_seconds": "The statements that take most time, on average",
    "check": "The number that a check of the system file gives",
    "job_ok": "1 where the newest run of a job went well, or it never ran",
    "job_succeeded_timestamp_seconds": "When the newest run that went well began; 0 for never",
    "backup_timestamp_seconds": "When the newest backup was made; 0 for never",
    "proven_restore_timestamp_seconds": "When a drill last went well; 0 for never",
    "certificate_ends_timestamp_seconds": "When a certificate ends",
}

Labels = tuple[tuple[str, str], ...]
Sample = tuple[str, dict[str, str], float]


def as_metrics(page: Page) -> str:
    """The look in Prometheus' text format. Every series has the stack's name as `stack`."""
    # Several findings of one name and place are one series: twice the same line spoils the whole file.
    series: dict[str, dict[Labels, float]] = {}
    for name, labels, value in _samples(page):
        series.setdefault(name, {})[tuple({"stack": page.stack.name, **labels}.items())] = value
    return "".join(
        f"# HELP trellis_{name} {HELP[name]}\n# TYPE trellis_{name} gauge\n"
        + "".join(f"trellis_{name}{{{_shown(labels)}}} {value:.15g}\n" for labels, value in of.items())
        for name, of in series.items()
    )


def _shown(labels: Labels) -> str:
    return ",".join(f'{key}="{_escaped(value)}"' for key, value in labels)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _samples(page: Page) -> Iterator[Sample]:
    yield "looked_timestamp_seconds", {}, page.at.timestamp()
    for severity in Severity:
        yield "findings", {"severity": severity.value}, sum(one.severity is severity for one in page.findings)
    for one in page.findings:
        which = {"finding": one.name, "severity": one.severity.value, "where": one.where}
        yield "finding", which, 1
        # Not the lines below a server's message: its details name values.
        yield "finding_told", {**which, "what": one.what.partition("\n")[0], "do": one.do}, 1
    for seen in page.clusters:
        for name, labels, value in (*_server(seen), *_ways(seen), *_databases(page, seen), *_times(seen)):
            yield name, {"cluster": seen.settings.name, **labels}, value


def _server(seen: Seen) -> Iterator[Sample]:
    cluster, figures = seen.settings, seen.server.figures
    yield "connections_allowed", {}, cluster.plan.connections
    yield "storage_allowed_bytes", {}, cluster.plan.storage_gib * GIB
    for pool in cluster.pools:
        yield "pool_size", {"pool": pool.name}, pool.size
    if figures is None:
        return
    yield "connections", {}, figures.connections
    yield "storage_bytes", {}, figures.bytes
    for name, size in figures.sizes.items():
        yield "database_bytes", {"database": name}, size
    for pool in cluster.pools:
        yield "pool_busy", {"pool": pool.name}, (seen.clients_of(pool) or (0, 0))[1]


def _ways(seen: Seen) -> Iterator[Sample]:
    for one in seen.tried:
        way = {"kind": one.way.kind, "name": one.way.name}
        yield "way_up", way, one.error is None
        if one.error:
            continue
        yield "way_seconds", way, one.milliseconds / 1000
        if one.way.kind == "replica":
            yield "replica_lag_seconds", {"name": one.way.name}, one.behind_s
            yield "replica_lag_bytes", {"name": one.way.name}, one.behind_bytes


def _databases(page: Page, seen: Seen) -> Iterator[Sample]:
    for name, answers in seen.databases.items():
        if answers.pending is not None:
            yield "migrations_pending", {"database": name}, answers.pending
        for one in answers.statements:
            which = {"database": name, "login": str(one["login"]), "statement": str(one["statement"])}
            yield "statement_mean_seconds", which, float(one["mean"]) / 1000
    for answer in seen.checks:
        if answer.number is not None:
            yield "check", {"database": answer.check.database, "check": answer.check.name}, answer.number
    for job in page.stack.settings.jobs:
        asked = seen.databases.get(job.database) if job.cluster == seen.settings.name else None
        # A database that was not reached says nothing of its jobs.
        if asked is None or asked.pending is None:
            continue
        which, runs = {"database": job.database, "job": job.name}, asked.runs.get(job.name, ())
        good = next((one.started_at for one in reversed(runs) if one.ok), None)
        yield "job_ok", which, not runs or runs[-1].ok is not False
        yield "job_succeeded_timestamp_seconds", which, _seconds(good)


def _times(seen: Seen) -> Iterator[Sample]:
    proven = history.last(seen.past, "drill", good=True)
    yield "proven_restore_timestamp_seconds", {}, _seconds(proven["at"] if proven else None)
    if seen.facts or seen.machine:
        yield "backup_timestamp_seconds", {}, _seconds(backup(seen))
    for what, end in seen.certificates.items():
        yield "certificate_ends_timestamp_seconds", {"certificate": what}, end.timestamp()


def _seconds(when: datetime | None) -> float:
    return when.timestamp() if when else NEVER
