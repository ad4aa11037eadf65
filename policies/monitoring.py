"""Somebody hears of it before the users do."""

from collections.abc import Iterator

from pulumi_policy import Severity

from .fields import UNKNOWN
from .kinds import CLUSTER, MONITOR_ALERT
from .resources import Resource, Stack
from .rules import Config, Finding, Rule, StackRule

# DigitalOcean's alert types for databases. It has none for connections.
ALERTS = {
    "cpu": "v1/dbaas/alerts/cpu_alerts",
    "memory": "v1/dbaas/alerts/memory_utilization_alerts",
    "disk": "v1/dbaas/alerts/disk_utilization_alerts",
    "load": "v1/dbaas/alerts/load_15_alerts",
}


def _alerts(stack: Stack, config: Config) -> Iterator[Finding]:
    for cluster in stack.of(CLUSTER):
        mine = stack.of_cluster(cluster, MONITOR_ALERT, key="entities")
        # An alert whose type waits for `up` may be any of them.
        kinds = {alert.fields.get("type") for alert in mine if _reaches_somebody(alert)}
        missing = [kind for kind in config["kinds"] if ALERTS[kind] not in kinds]
        if missing and UNKNOWN not in kinds:
            yield Finding(message=f"{cluster.called} has no alert for {', '.join(missing)}.", urn=cluster.urn)


def _reaches_somebody(alert: Resource) -> bool:
    """Whether an alert can come to pass, and is told to anybody. What is not known yet is taken for good."""
    fields = alert.fields
    if fields.get("enabled") is False or str(fields.get("compare")).lower() == "lessthan":
        return False
    highest = None if fields.peek("type") == ALERTS["load"] else 100
    value = fields.get("value")
    if highest and isinstance(value, int | float) and value >= highest:
        return False
    told = fields.peek("alerts")
    return told is None or told is UNKNOWN or any(fields.object("alerts").has(way) for way in ("emails", "slacks"))


RULES: tuple[Rule, ...] = (
    StackRule(
        name="cluster-alerts",
        protects="A full disk makes a cluster read-only, and nobody knows until it is.",
        fix="Add a MonitorAlert for each kind with the cluster's id under entities, a value that can be exceeded and "
        "somebody to tell.",
        source="https://docs.digitalocean.com/products/databases/postgresql/how-to/monitor-databases/",
        severity=Severity.MEDIUM,
        check=_alerts,
        config={
            "kinds": {
                "type": "array",
                "items": {"enum": list(ALERTS)},
                "default": list(ALERTS),
                "description": "The alerts that each cluster must have.",
            }
        },
    ),
)
