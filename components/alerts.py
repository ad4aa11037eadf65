"""Mails when a cluster runs hot."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_digitalocean as digitalocean

from trellis.settings.system import Alerts

# Setting in the system file -> how the mail opens.
SENTENCES = {
    "cpu": "CPU above {} %",
    "memory": "Memory above {} %",
    "disk": "Disk above {} %",
    "load_15": "Load average of 15 minutes above {}",
}
# Setting in the system file -> DigitalOcean's alert type. These four are all that it has for databases; none counts
# connections.
CLUSTER_ALERTS = {
    "cpu": "v1/dbaas/alerts/cpu_alerts",
    "memory": "v1/dbaas/alerts/memory_utilization_alerts",
    "disk": "v1/dbaas/alerts/disk_utilization_alerts",
    "load_15": "v1/dbaas/alerts/load_15_alerts",
}
DROPLET_ALERTS = {
    "cpu": "v1/insights/droplet/cpu",
    "memory": "v1/insights/droplet/memory_utilization_percent",
    "disk": "v1/insights/droplet/disk_utilization_percent",
    "load_15": "v1/insights/droplet/load_15",
}


@dataclass(frozen=True, kw_only=True)
class ClusterAlertsArgs:
    """cluster_name: how a mail calls the cluster. alerts: who gets the mails, and the thresholds.

    kinds: threshold -> alert type, of a managed cluster or of a Droplet (DROPLET_ALERTS).
    """

    cluster_id: pulumi.Input[str]
    cluster_name: pulumi.Input[str]
    alerts: Alerts
    kinds: Mapping[str, str] = field(default_factory=lambda: CLUSTER_ALERTS)


class ClusterAlerts(pulumi.ComponentResource):
    """Creates one alert policy for each threshold that is set."""

    def __init__(self, name: str, args: ClusterAlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:monitoring:ClusterAlerts", name, None, opts)
        for key, sentence in SENTENCES.items():
            threshold: float | None = getattr(args.alerts, key)
            if threshold is None:
                continue
            digitalocean.MonitorAlert(
                f"{name}-{key.replace('_', '-')}",
                type=args.kinds[key],
                compare="GreaterThan",
                value=threshold,
                window=args.alerts.window,
                entities=[args.cluster_id],
                description=pulumi.Output.concat(
                    args.cluster_name, f": {sentence.format(f'{threshold:g}')} for {args.alerts.window}"
                ),
                alerts=digitalocean.MonitorAlertAlertsArgs(emails=list(args.alerts.emails)),
                enabled=True,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({"cluster_id": args.cluster_id})
