"""The stack's dashboard, as Grafana imports it. It has the panels that the stack has something to show in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trellis.monitoring.limits import LIMITS
from trellis.monitoring.watched import Watched

_WIDTH, _HEIGHT = 12, 8
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COLOURS = ("green", "orange", "red")
_NEVER = {"type": "value", "options": {"0": {"text": "never", "color": "orange"}}}


@dataclass(frozen=True, kw_only=True)
class Panel:
    """expressions: legend -> PromQL, in which STACK stands for the stack's matcher. limits: of warning and critical.

    Every expression gives a series as long as the stack is looked at; `otherwise` is shown where it need not.
    """

    title: str
    expressions: Mapping[str, str]
    kind: str = "timeseries"
    unit: str = "short"
    limits: Sequence[float] = ()
    otherwise: str = ""
    mappings: Sequence[Mapping[str, Any]] = ()


def panels(watched: Watched) -> Iterator[Panel]:
    """What there is to see."""
    clusters = watched.settings.clusters
    yield Panel(
        title="Findings",
        kind="stat",
        expressions={"{{severity}}": "max by (severity) (trellis_findings{STACK})"},
    )
    yield Panel(
        title="What was found, and what to do",
        kind="table",
        expressions={"": "max by (severity, finding, where, what, do) (trellis_finding_told{STACK})"},
        otherwise="All is well",
    )
    share = (100 * LIMITS.full, 100 * LIMITS.very_full)
    yield Panel(
        title="Connections, of those that the plan allows",
        unit="percent",
        limits=share,
        expressions={"{{cluster}}": "100 * trellis_connections{STACK} / trellis_connections_allowed{STACK}"},
    )
    if any(cluster.pools for cluster in clusters):
        yield Panel(
            title="Pools, server connections at work",
            unit="percent",
            limits=(100 * LIMITS.full, 100),
            expressions={"{{pool}}": "100 * trellis_pool_busy{STACK} / trellis_pool_size{STACK}"},
        )
    yield Panel(
        title="Storage, of the plan's",
        unit="percent",
        limits=share,
        expressions={"{{cluster}}": "100 * trellis_storage_bytes{STACK} / trellis_storage_allowed_bytes{STACK}"},
    )
    yield Panel(title="Databases", unit="bytes", expressions={"{{database}}": "trellis_database_bytes{STACK}"})
    machine = watched.settings.monitoring
    if not machine:
        yield Panel(title="Ways in", unit="s", expressions={"{{kind}} {{name}}": "trellis_way_seconds{STACK}"})
    if any(cluster.replicas for cluster in clusters) or (watched.settings.copy and not machine):
        yield Panel(
            title="Replicas, behind",
            unit="s",
            limits=(LIMITS.lag_s, 10 * LIMITS.lag_s),
            expressions={"{{name}}": "trellis_replica_lag_seconds{STACK}"},
        )
    yield Panel(
        title="Statements that take most time, on average",
        unit="s",
        limits=(LIMITS.slow_ms / 1000,),
        expressions={"{{login}}: {{statement}}": "trellis_statement_mean_seconds{STACK}"},
        otherwise="No statement yet",
    )
    if watched.settings.checks:
        yield Panel(title="Checks", expressions={"{{check}}": "trellis_check{STACK}"})
    if watched.settings.jobs:
        yield Panel(
            title="Jobs, the last run that went well",
            kind="stat",
            unit="dateTimeFromNow",
            mappings=(_NEVER,),
            expressions={"{{job}}": "1000 * trellis_job_succeeded_timestamp_seconds{STACK}"},
        )
    if not machine:
        yield from _of_status()
    if watched.endpoints:
        yield from _machine(share)


def _of_status() -> Iterator[Panel]:
    """What SQL cannot tell."""
    yield Panel(
        title="Backup, and a restore that was proven",
        kind="stat",
        unit="dateTimeFromNow",
        mappings=(_NEVER,),
        expressions={
            "backup of {{cluster}}": "1000 * trellis_backup_timestamp_seconds{STACK}",
            "restore of {{cluster}}": "1000 * trellis_proven_restore_timestamp_seconds{STACK}",
        },
    )
    yield Panel(
        title="Certificates end",
        kind="stat",
        unit="dateTimeFromNow",
        expressions={"{{certificate}}": "1000 * trellis_certificate_ends_timestamp_seconds{STACK}"},
    )


def _machine(share: Sequence[float]) -> Iterator[Panel]:
    """Of a managed cluster's own endpoint."""
    yield Panel(
        title="The machine",
        unit="percent",
        limits=share,
        expressions={
            "{{cluster}} processor": "100 - avg by (cluster) (cpu_usage_idle{STACK})",
            "{{cluster}} memory": "max by (cluster) (mem_used_percent{STACK})",
            "{{cluster}} disk": "max by (cluster) (disk_used_percent{STACK})",
        },
    )
    yield Panel(
        title="Transactions a second",
        unit="ops",
        expressions={"{{db}}": "sum by (cluster, db) (rate(postgresql_xact_commit{STACK}[5m]))"},
    )


def dashboard(watched: Watched) -> dict[str, Any]:
    """The dashboard."""
    shown = list(panels(watched))
    return {
        "title": f"Trellis: {watched.name}",
        "uid": f"trellis-{watched.name}"[:40],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "annotations": {"list": []},
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
        "panels": [_panel(number, panel, watched) for number, panel in enumerate(shown)],
    }


def _panel(number: int, panel: Panel, watched: Watched) -> dict[str, Any]:
    steps = zip(_COLOURS, (None, *panel.limits), strict=False)
    colours = [{"color": colour, "value": limit} for colour, limit in steps]
    return {
        "id": number + 1,
        "title": panel.title,
        "type": panel.kind,
        "datasource": _SOURCE,
        "gridPos": {
            "h": _HEIGHT,
            "w": _WIDTH,
            "x": number % 2 * _WIDTH,
            "y": number // 2 * _HEIGHT,
        },
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "noValue": panel.otherwise or "No data",
                "mappings": list(panel.mappings),
                "thresholds": {"mode": "absolute", "steps": colours},
                "custom": _custom(panel),
            },
            "overrides": [],
        },
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _SOURCE,
                "expr": expression.replace("STACK", f'stack="{watched.name}"'),
                "legendFormat": legend,
                "instant": panel.kind != "timeseries",
                "range": panel.kind == "timeseries",
                "format": "table" if panel.kind == "table" else "time_series",
            }
            for place, (legend, expression) in enumerate(panel.expressions.items())
        ],
    }


def _custom(panel: Panel) -> dict[str, Any]:
    """What only panels of this kind have."""
    if panel.kind == "table":
        return {"align": "auto", "inspect": False}
    return {"thresholdsStyle": {"mode": "line"}} if panel.kind == "timeseries" and panel.limits else {}
