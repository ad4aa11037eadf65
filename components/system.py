"""A whole system at one phase."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

import migrator
from components.app import App, AppArgs
from components.database import DatabasePlatform, DatabasePlatformArgs
from components.network import Network, NetworkArgs
from components.phase import Phase
from settings import Settings


@dataclass(frozen=True, kw_only=True)
class SystemArgs:
    """root: the folder of the program. stack: its name goes into tags."""

    settings: Settings
    root: Path
    stack: str


class System(pulumi.ComponentResource):
    """Creates network, clusters, trusted sources, schemas, pools, replicas, alerts, apps and DNS names, in that order.

    Every migration file is read first: one that cannot be used stops the program before anything is registered.
    """

    outputs: Mapping[str, pulumi.Input[Any]]

    def __init__(self, name: str, args: SystemArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings = args.settings
        files = {
            cluster.key: {database.name: migrator.discover(database.migrations) for database in cluster.databases}
            for cluster in settings.clusters
        }
        super().__init__("trellis:system:System", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        phase = Phase(f"{name}-phase", settings.phase, inside)
        network = Network(
            name,
            NetworkArgs(region=settings.region, ip_range=settings.ip_range, protect=settings.protect),
            # The phase is checked before the first thing is touched; the rest waits for the network.
            pulumi.ResourceOptions(parent=self, depends_on=[phase]),
        )
        platforms = {
            cluster.key: DatabasePlatform(
                f"{name}-{cluster.key}",
                DatabasePlatformArgs(
                    cluster=cluster,
                    settings=settings,
                    network=network,
                    files=files[cluster.key],
                    tags=["trellis", f"system:{settings.system}", f"stack:{args.stack}"],
                    root=args.root,
                ),
                inside,
            )
            for cluster in settings.clusters
        }
        apps = {
            app.name: App(
                app.name,
                AppArgs(
                    app=app,
                    region=settings.region,
                    network_id=network.id,
                    database=platforms[app.cluster].for_app(app.pool) if app.cluster and app.pool else None,
                ),
                inside,
            )
            for app in settings.apps
        }
        if settings.dns:
            # pulumi_cloudflare takes seconds to import, and only a stack with DNS needs it.
            from components.dns import Dns, DnsArgs, RecordArgs

            Dns(
                f"{name}-dns",
                DnsArgs(
                    zone=settings.dns.zone,
                    records={
                        host: RecordArgs(target=apps[record.app].host, proxied=record.proxied)
                        for host, record in settings.dns.records.items()
                    },
                ),
                inside,
            )
        self.outputs = _outputs(settings, platforms, apps)
        self.register_outputs({})


def _outputs(
    settings: Settings, platforms: Mapping[str, DatabasePlatform], apps: Mapping[str, App]
) -> Mapping[str, pulumi.Input[Any]]:
    made = {cluster.name: (cluster, platforms[cluster.key]) for cluster in settings.clusters}
    return {
        "system": settings.system,
        "phase": settings.phase.value,
        "plans": {name: cluster.plan.slug for name, (cluster, _) in made.items()},
        "connection_budgets": {
            name: {
                "limit": cluster.budget.limit,
                "pools": dict(cluster.budget.pools),
                "headroom": cluster.budget.headroom,
            }
            for name, (cluster, _) in made.items()
        },
        "monthly_cost_usd": settings.monthly_usd,
        "direct_uris": {name: platform.direct_uris for name, (_, platform) in made.items()},
        "pooled_uris": {name: platform.pooled_uris for name, (_, platform) in made.items()},
        "replica_uris": {name: platform.replica_uris for name, (_, platform) in made.items() if platform.replica_uris},
        "ca_certificates": {name: platform.ca_certificate for name, (_, platform) in made.items()},
        "migrations": {name: platform.reports for name, (_, platform) in made.items()},
        "app_urls": {name: app.url for name, app in apps.items()},
    }
