"""What Prometheus reads, and from when on it tells Alertmanager.

What `trellis status` finds is an alert as it stands: one table of limits, and one place that knows what a check, a job
or a backup is. What it cannot see, the machine behind a managed cluster and clients that wait for a pool, comes from
the cluster's own endpoint, against the same limits.
"""

from collections.abc import Iterator
from typing import Any

from trellis.monitoring.limits import LIMITS
from trellis.monitoring.watched import Places, Watched, values

# Seconds without a look of `trellis status`, or without an answer of what Prometheus reads.
_BLIND = 300
_TOLD = (
    '{{ with printf "trellis_finding_told{stack=%q,finding=%q,where=%q}" $labels.stack $labels.finding $labels.where'
    ' | query }}{{ . | first | label "WHAT" }}{{ end }}'
)


def configuration(watched: Watched, places: Places) -> dict[str, Any]:
    """prometheus.yml."""
    labels = {"stack": watched.name}
    jobs: list[dict[str, Any]] = [
        {
            "job_name": "trellis",
            # The collector's own figures are of this machine, and say nothing of the stack.
            "metric_relabel_configs": [{"source_labels": ["__name__"], "regex": "trellis_.*", "action": "keep"}],
            "static_configs": [{"targets": [f"127.0.0.1:{places.exporter}"]}],
        }
    ]
    for endpoint in watched.endpoints:
        jobs.append(
            {
                "job_name": f"managed-{endpoint.cluster}",
                "scheme": "https",
                "basic_auth": {"username": watched.login and watched.login.user, "password_file": "secrets/metrics"},
                "tls_config": {"ca_file": f"{endpoint.cluster}.crt"},
                "static_configs": [
                    {"targets": list(endpoint.targets), "labels": {**labels, "cluster": endpoint.cluster}}
                ],
            }
        )
    return {
        "global": {"scrape_interval": f"{places.interval}s", "evaluation_interval": f"{places.interval}s"},
        "rule_files": ["rules.yml"],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{places.alertmanager}"]}]}],
        },
        "scrape_configs": jobs,
    }


def rules(watched: Watched) -> dict[str, Any]:
    """rules.yml."""
    return {"groups": [{"name": f"trellis-{watched.name}", "rules": list(_rules(watched))}]}


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
    blind = f"time() - max(trellis_looked_timestamp_seconds{{{of}}}) > {_BLIND}"
    yield _alert(
        "NotLooking",
        f"{blind} or absent(trellis_looked_timestamp_seconds{{{of}}})",
        f"trellis status has not looked at {watched.name} for {_BLIND // 60} minutes",
        "Start it again on the machine of Prometheus; README.md beside the rules has the command",
        severity="critical",
        stack=watched.name,
        **{"for": "1m"},
    )
    if not watched.endpoints:
        return
    yield _alert(
        "EndpointDown",
        f'min by (stack, cluster) (up{{{of},job=~"managed-.*"}}) == 0',
        "Prometheus cannot read the metrics of {{ $labels.cluster }}",
        "Name this machine under trellis:trustedSources; after new credentials of the metrics: trellis monitoring",
        severity="warning",
        **{"for": f"{_BLIND}s"},
    )
    yield from _above(
        "DiskFull",
        f"max by (stack, cluster) (disk_used_percent{{{of}}})",
        100 * LIMITS.full,
        100 * LIMITS.very_full,
        "{{ $labels.cluster }} uses {{ $value | humanize }} % of its disk",
        "Take the next trellis:phase, or archive old rows",
    )
    yield from _above(
        "PoolWaits",
        f"max by (stack, cluster, db, user) (pgbouncer_pools_maxwait{{{of}}})",
        LIMITS.waits_s,
        LIMITS.waits_long_s,
        "A client of {{ $labels.cluster }} has been waiting {{ $value }} s for the pool of {{ $labels.user }}",
        "Shorten transactions, give the pool a larger `size`, or take the next trellis:phase",
    )


def _above(name: str, figure: str, much: float, very_much: float, summary: str, do: str) -> Iterator[dict[str, Any]]:
    yield _alert(name, f"{figure} >= {much:g} < {very_much:g}", summary, do, severity="warning")
    yield _alert(name, f"{figure} >= {very_much:g}", summary, do, severity="critical")


def _alert(name: str, expression: str, summary: str, do: str, **more: str) -> dict[str, Any]:
    labels = {key: more.pop(key) for key in ("severity", "stack") if key in more}
    return {
        "alert": f"Trellis{name}",
        "expr": expression,
        **more,
        **values(labels=labels),
        "annotations": {"summary": summary, "do": do},
    }
