"""What Prometheus reads, and from when on it tells Alertmanager.

What `trellis status` finds is an alert as it stands: one table of limits, and one place that knows what a check, a job
or a backup is. What it cannot see, the machine behind a managed cluster and clients that wait for a pool, comes from
the cluster's own endpoint, against the same limits.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from trellis.monitoring.exporter import FAILED, METRIC, Place
from trellis.monitoring.findings import Severity
from trellis.monitoring.limits import LIMITS
from trellis.monitoring.questions import POOL_FULL, STORAGE_FULL
from trellis.monitoring.watched import Places, Watched, values

PORT, ALERTMANAGER_PORT, EXPORTER_PORT = 9090, 9093, 9237
LOGIN = "trellis"
"""Who may look at a machine's Prometheus and Alertmanager."""
LOCAL, PUBLIC = "@LOCAL@", "@PUBLIC@"
"""What stands for a machine's addresses: of the loopback, and on the internet."""

# Seconds without a look of `trellis status`, or without an answer of what Prometheus reads.
_BLIND = 300
_TOLD = (
    '{{ with printf "trellis_finding_told{stack=%q,finding=%q,where=%q}" $labels.stack $labels.finding $labels.where'
    ' | query }}{{ . | first | label "WHAT" }}{{ end }}'
)


def configuration(watched: Watched, places: Places) -> dict[str, Any]:
    """prometheus.yml where `trellis status` looks."""
    jobs: list[dict[str, Any]] = [
        {
            "job_name": "trellis",
            # The collector's own figures are of this machine, and say nothing of the stack.
            "metric_relabel_configs": [{"source_labels": ["__name__"], "regex": "trellis_.*", "action": "keep"}],
            "static_configs": [{"targets": [f"127.0.0.1:{places.exporter}"]}],
        }
    ]
    alertmanager = {"static_configs": [{"targets": [f"127.0.0.1:{places.alertmanager}"]}]}
    return _file(watched, places.interval, jobs, alertmanager)


def of_a_machine(watched: Watched, interval: int) -> dict[str, Any]:
    """prometheus.yml where the questions are asked by SQL. Its addresses are the machine's to fill in."""
    look = {"static_configs": [{"targets": [f"{LOCAL}:{EXPORTER_PORT}"], "labels": {"stack": watched.name}}]}
    told: list[dict[str, Any]] = [
        {"source_labels": ["__name__"], "regex": f"{METRIC}|{FAILED}", "action": "keep"},
        {"source_labels": ["__name__"], "regex": METRIC, "target_label": "sql_job", "replacement": ""},
        {
            "source_labels": ["__name__", "col"],
            "regex": f"{METRIC};(.+)",
            "target_label": "__name__",
            "replacement": "trellis_$1",
        },
        {"regex": "driver|host|database|user|col", "action": "labeldrop"},
        {"regex": "of_(.+)", "action": "labelmap"},
        {"regex": "of_.+", "action": "labeldrop"},
    ]
    alertmanager = {
        "scheme": "https",
        "basic_auth": {"username": LOGIN, "password_file": "secrets/web"},
        "tls_config": {"ca_file": "ca.crt"},
        "static_configs": [{"targets": [f"{PUBLIC}:{ALERTMANAGER_PORT}"]}],
    }
    return _file(watched, interval, [{"job_name": "trellis", **look, "metric_relabel_configs": told}], alertmanager)


def _file(watched: Watched, interval: int, jobs: list[dict[str, Any]], alertmanager: dict[str, Any]) -> dict[str, Any]:
    managed = [
        {
            "job_name": f"managed-{endpoint.cluster}",
            "scheme": "https",
            "basic_auth": {"username": watched.login and watched.login.user, "password_file": "secrets/metrics"},
            "tls_config": {"ca_file": f"{endpoint.cluster}.crt"},
            "static_configs": [
                {"targets": list(endpoint.targets), "labels": {"stack": watched.name, "cluster": endpoint.cluster}}
            ],
        }
        for endpoint in watched.endpoints
    ]
    return {
        "global": {"scrape_interval": f"{interval}s", "evaluation_interval": f"{interval}s"},
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [alertmanager]},
        "scrape_configs": [*jobs, *managed],
    }


def rules(watched: Watched, asked: Sequence[Place] = ()) -> dict[str, Any]:
    """rules.yml. asked: where the questions are asked by SQL; nowhere where `trellis status` looks."""
    made = [*(_of_a_machine(watched, asked) if asked else _of_status(watched)), *_rules(watched)]
    return {"groups": [{"name": f"trellis-{watched.name}", "rules": made}]}


def _rules(watched: Watched) -> Iterator[dict[str, Any]]:
    of = f'stack="{watched.name}"'
    yield _alert(
        "Finding",
        f'max without (instance, job) (trellis_finding{{{of},severity=~"warning|critical"}}) > 0',
        "{{ $labels.where }}: " + _TOLD.replace("WHAT", "what"),
        _TOLD.replace("WHAT", "do"),
        # One look that finds nothing, because it was cut short, does not take an alert back.
        keep_firing_for="1m",
    )
    if not watched.endpoints:
        return
    yield _alert(
        "EndpointDown",
        f'min by (stack, cluster) (up{{{of},job=~"managed-.*"}}) == 0',
        "Prometheus cannot read the metrics of {{ $labels.cluster }}",
        "Name this machine under trellis:trustedSources; after new credentials of the metrics: trellis monitoring",
        severity="warning",
        lasts=f"{_BLIND}s",
    )
    yield from _above(
        "DiskFull",
        f"max by (stack, cluster) (disk_used_percent{{{of}}})",
        100 * LIMITS.full,
        100 * LIMITS.very_full,
        "{{ $labels.cluster }} uses {{ $value | humanize }} % of its disk",
        STORAGE_FULL,
    )
    yield from _above(
        "PoolWaits",
        f"max by (stack, cluster, db, user) (pgbouncer_pools_maxwait{{{of}}})",
        LIMITS.waits_s,
        LIMITS.waits_long_s,
        "A client of {{ $labels.cluster }} has been waiting {{ $value }} s for the pool of {{ $labels.user }}",
        POOL_FULL,
    )


def _of_status(watched: Watched) -> Iterator[dict[str, Any]]:
    of = f'stack="{watched.name}"'
    blind = f"time() - max(trellis_looked_timestamp_seconds{{{of}}}) > {_BLIND}"
    yield _alert(
        "NotLooking",
        f"{blind} or absent(trellis_looked_timestamp_seconds{{{of}}})",
        f"trellis status has not looked at {watched.name} for {_BLIND // 60} minutes",
        "Start it again on the machine of Prometheus; README.md beside the rules has the command",
        severity="critical",
        stack=watched.name,
        lasts="1m",
    )


def _of_a_machine(watched: Watched, asked: Sequence[Place]) -> Iterator[dict[str, Any]]:
    of = f'stack="{watched.name}"'
    for one in watched.settings.checks:
        labels = {
            "finding": one.name,
            "severity": one.check.severity,
            "where": f"{one.cluster}/{one.database}",
        }
        number = f'trellis_check{{{of},cluster="{one.cluster}",check="{one.name}"}} > {one.check.threshold:g}'
        said = f"$1, and {one.check.threshold:g} is the most"
        yield {
            "record": "trellis_finding_told",
            "expr": f'label_replace(label_replace(count_values by (stack) ("number", {number}), "what", "{said}",'
            ' "number", "(.*)"), "number", "", "", "")',
            "labels": {**labels, "do": one.check.do},
        }
        if one.check.severity != "note":
            yield _alert(
                "Finding",
                f'{FAILED}{{{of},query="trellis:check {one.name}"}} == 1',
                f"{labels['where']}: it could not be asked",
                f"Mend the check {one.name} of the system file, or its way",
                stack=watched.name,
                **labels,
            )
    told = f"trellis_finding_told{{{of}}}"
    yield {"record": "trellis_finding", "expr": f"max by (stack, finding, severity, where) ({told})"}
    for severity in Severity:
        yield {
            "record": "trellis_findings",
            "expr": f'count(trellis_finding{{{of},severity="{severity.value}"}}) or vector(0)',
            "labels": {"stack": watched.name, "severity": severity.value},
        }
    yield _alert(
        "NotAsked",
        f'count by (stack, where) (label_replace({FAILED}{{{of}}} == 1, "where", "$1", "sql_job", "(.*)"))',
        "{{ $labels.where }}: {{ $value }} questions could not be asked",
        "trellis status says why; on the machine: journalctl -u prometheus-sql-exporter",
        severity="critical",
    )
    looked = "trellis_looked_timestamp_seconds"
    late = f"time() - {looked}{{{of}}} > {_BLIND}"
    never = " or ".join(f'absent({looked}{{{of},asked="{place.name}"}})' for place in asked)
    yield _alert(
        "NotLooking",
        f'max by (stack, where) (label_replace({late} or {never}, "where", "$1", "asked", "(.*)"))',
        f"{{{{ $labels.where }}}} has not been asked for {_BLIND // 60} minutes",
        "On the machine: journalctl -u prometheus-sql-exporter",
        severity="critical",
        lasts="1m",
    )


def _above(name: str, figure: str, much: float, very_much: float, summary: str, do: str) -> Iterator[dict[str, Any]]:
    yield _alert(name, f"{figure} >= {much:g} < {very_much:g}", summary, do, severity="warning")
    yield _alert(name, f"{figure} >= {very_much:g}", summary, do, severity="critical")


def _alert(
    name: str, expression: str, summary: str, do: str, *, lasts: str = "", keep_firing_for: str = "", **labels: str
) -> dict[str, Any]:
    """lasts: how long it must be so before it is told."""
    return {
        "alert": f"Trellis{name}",
        "expr": expression,
        **values(**{"for": lasts}, keep_firing_for=keep_firing_for, labels=labels),
        "annotations": {"summary": summary, "do": do},
    }
