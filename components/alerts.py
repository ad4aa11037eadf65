"""Mails when a cluster runs hot."""

from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from settings.system import Alerts

# Setting in the system file -> DigitalOcean's alert type and how its mail opens. These four are all that DigitalOcean
# has for databases; none counts connections.
ALERTS = {
    "cpu": ("v1/dbaas/alerts/cpu_alerts", "CPU above {} %"),
    "memory": ("v1/dbaas/alerts/memory_utilization_alerts", "Memory above {} %"),
    "disk": ("v1/dbaas/alerts/disk_utilization_alerts", "Disk above {} %"),
    "load_15": ("v1/dbaas/alerts/load_15_alerts", "Load average of 15 minutes above {}"),
}


@dataclass(frozen=True, kw_only=True)
class ClusterAlertsArgs:
    """cluster_name: how a mail calls the cluster."""

    cluster_id: pulumi.Input[str]
    cluster_name: str
    alerts: Alerts


class ClusterAlerts(pulumi.ComponentResource):
    """Creates one alert policy for each threshold that is set."""

    def __init__(self, name: str, args: ClusterAlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:monitoring:ClusterAlerts", name, None, opts)
        for key, (kind, sentence) in ALERTS.items():
            threshold: float | None = getattr(args.alerts, key)
            if threshold is None:
                continue
            digitalocean.MonitorAlert(
                f"{name}-{key.replace('_', '-')}",
                type=kind,
                compare="GreaterThan",
                value=threshold,
                window=args.alerts.window,
                entities=[args.cluster_id],
                description=f"{args.cluster_name}: {sentence.format(f'{threshold:g}')} for {args.alerts.window}",
                alerts=digitalocean.MonitorAlertAlertsArgs(emails=list(args.alerts.emails)),
                enabled=True,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
