"""Somebody hears of it before the users do."""

from collections.abc import Iterator

from pulumi_policy import Severity

from .fields import UNKNOWN
from .kinds import CLUSTER, MONITOR_ALERT
from .resources import Stack
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
        kinds = {alert.fields.get("type") for alert in mine if alert.fields.get("enabled") is not False}
        missing = [kind for kind in config["kinds"] if ALERTS[kind] not in kinds]
        if missing and UNKNOWN not in kinds:
            yield Finding(message=f"{cluster.called} has no alert for {', '.join(missing)}.", urn=cluster.urn)


RULES: tuple[Rule, ...] = (
    StackRule(
        name="cluster-alerts",
        protects="A full disk makes a cluster read-only, and nobody knows until it is.",
        fix="Add a MonitorAlert for each kind with the cluster's id under entities.",
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
