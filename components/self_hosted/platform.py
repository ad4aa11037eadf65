"""One self-hosted cluster of a system with everything that belongs to it."""

from collections.abc import Mapping
from typing import Any

import pulumi

from ..alerts import DROPLET_ALERTS, ClusterAlerts, ClusterAlertsArgs
from ..database import DatabasePlatformArgs
from ..endpoint import postgresql_uri
from ..schemas import migrated
from ..self_hosted.server import SelfHostedServer, ServerArgs


class SelfHostedPlatform(pulumi.ComponentResource):
    """Creates a server on a Droplet, its schemas and its alerts. It offers what a managed cluster offers, but replicas.

    Pools are there before the schema; nobody holds a password of theirs before the program has ended.
    """

    ca_certificate: pulumi.Output[str]
    direct_uris: Mapping[str, pulumi.Output[str]]
    pooled_uris: Mapping[str, pulumi.Output[str]]
    private_uris: Mapping[str, pulumi.Output[str]]
    replica_uris: Mapping[str, pulumi.Output[str]]
    reports: Mapping[str, pulumi.Output[Mapping[str, Any]]]

    def __init__(self, name: str, args: DatabasePlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:server:SelfHostedPlatform", name, None, opts)
        wanted, settings = args.cluster, args.settings
        private = settings.migration_endpoint == "private"
        inside = pulumi.ResourceOptions(parent=self)
        server = SelfHostedServer(
            wanted.name,
            ServerArgs(cluster=wanted, settings=settings, network=args.network, tags=args.tags),
            inside,
        )
        migrations = migrated(
            wanted,
            server,
            args.files,
            args.root,
            private=private,
            after=server.members,
            opts=inside,
        )
        ClusterAlerts(
            f"{wanted.name}-alerts",
            ClusterAlertsArgs(
                cluster_id=server.machine,
                cluster_name=settings.physical(wanted.name),
                alerts=settings.alerts,
                kinds=DROPLET_ALERTS,
            ),
            inside,
        )
        self.ca_certificate = server.ca_certificate
        self.direct_uris = {
            database: postgresql_uri(server.endpoint, server.admin, made, private=private)
            for database, made in server.databases.items()
        }
        self.pooled_uris, self.private_uris = (
            {
                pool.name: postgresql_uri(
                    server.pool_endpoint, server.users[pool.user], pool.name, private=inside_the_network
                )
                for pool in wanted.pools
            }
            for inside_the_network in (private, True)
        )
        self.replica_uris = {}
        self.reports = {database: migration.report for database, migration in migrations.items()}
        self.register_outputs({})
