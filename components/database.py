"""One cluster of a system with everything that belongs to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from components.alerts import ClusterAlerts, ClusterAlertsArgs
from components.app import AppDatabase
from components.cluster import Cluster, ClusterArgs
from components.endpoint import postgresql_uri
from components.migrations import Migrations, MigrationsArgs
from components.network import Network
from components.pool import Pool, PoolArgs
from components.replica import Replica, ReplicaArgs
from components.trusted_sources import TrustedSources, TrustedSourcesArgs
from migrator import MigrationFile
from settings import ClusterSettings, Settings


@dataclass(frozen=True, kw_only=True)
class DatabasePlatformArgs:
    """files: database -> what its migrations folder holds. root: the folder of the program."""

    cluster: ClusterSettings
    settings: Settings
    network: Network
    files: Mapping[str, Sequence[MigrationFile]]
    tags: Sequence[str]
    root: Path


class DatabasePlatform(pulumi.ComponentResource):
    """Creates a cluster, its trusted sources, schemas, pools, replicas and alerts, in an order that is safe.

    Nobody reaches the cluster before its trusted sources stand; no pool opens before the schema is there.
    """

    ca_certificate: pulumi.Output[str]
    direct_uris: Mapping[str, pulumi.Output[str]]
    pooled_uris: Mapping[str, pulumi.Output[str]]
    replica_uris: Mapping[str, pulumi.Output[str]]
    reports: Mapping[str, pulumi.Output[Mapping[str, Any]]]

    def __init__(self, name: str, args: DatabasePlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:database:DatabasePlatform", name, None, opts)
        wanted, settings, network = args.cluster, args.settings, args.network
        inside = pulumi.ResourceOptions(parent=self)
        cluster = Cluster(
            wanted.name,
            ClusterArgs(
                cluster=wanted,
                region=settings.region,
                network_id=network.id,
                tags=args.tags,
                protect=settings.protect,
            ),
            inside,
        )
        trusted = TrustedSources(
            f"{wanted.name}-trusted-sources",
            TrustedSourcesArgs(
                cluster_id=cluster.id, network_range=network.ip_range, addresses=settings.trusted_sources
            ),
            inside,
        )
        guarded = pulumi.ResourceOptions(parent=self, depends_on=[*cluster.members, trusted.firewall])
        migrations = {
            database.name: Migrations(
                f"{wanted.name}-{database.name}-migrations",
                MigrationsArgs(
                    folder=database.migrations.relative_to(args.root),
                    files=args.files[database.name],
                    placeholders=database.roles,
                    cluster=cluster.name,
                    cluster_id=cluster.id,
                    database=cluster.databases[database.name].name,
                    endpoint=cluster.endpoint,
                    private=settings.migration_endpoint == "private",
                    admin=cluster.admin,
                    ca_certificate=cluster.ca_certificate,
                ),
                guarded,
            )
            for database in wanted.databases
        }
        self._pools = {
            pool.name: Pool(
                f"{wanted.name}-{pool.name}",
                PoolArgs(
                    pool=pool,
                    cluster_id=cluster.id,
                    database=cluster.databases[pool.database].name,
                    login=cluster.users[pool.user],
                ),
                pulumi.ResourceOptions(parent=self, depends_on=[migrations[pool.database]]),
            )
            for pool in wanted.pools
        }
        self._replicas = [
            Replica(
                f"{wanted.name}-replica-{number}",
                ReplicaArgs(
                    cluster_id=cluster.id,
                    name=f"{wanted.name}-replica-{number}",
                    plan=wanted.plan,
                    region=settings.region,
                    network_id=network.id,
                ),
                guarded,
            )
            for number in range(1, wanted.replicas + 1)
        ]
        ClusterAlerts(
            f"{wanted.name}-alerts",
            ClusterAlertsArgs(cluster_id=cluster.id, cluster_name=wanted.name, alerts=settings.alerts),
            inside,
        )
        self._cluster, self._wanted = cluster, wanted
        self.ca_certificate = cluster.ca_certificate
        private = settings.migration_endpoint == "private"
        self.direct_uris = {
            name: postgresql_uri(cluster.endpoint, cluster.admin, database.name, private=private)
            for name, database in cluster.databases.items()
        }
        self.pooled_uris = {
            pool.name: postgresql_uri(
                self._pools[pool.name].endpoint,
                self._pools[pool.name].login,
                self._pools[pool.name].name,
                private=private,
            )
            for pool in wanted.pools
        }
        self.replica_uris = {
            f"{pool.name}-{number}": postgresql_uri(
                replica.endpoint, cluster.users[pool.user], cluster.databases[pool.database].name, private=private
            )
            for number, replica in enumerate(self._replicas, start=1)
            for pool in wanted.pools
        }
        self.reports = {name: migration.report for name, migration in migrations.items()}
        self.register_outputs({})

    def for_app(self, pool: str) -> AppDatabase:
        """What an app needs to know to use one of the pools."""
        wanted = next(candidate for candidate in self._wanted.pools if candidate.name == pool)
        made = self._pools[pool]
        return AppDatabase(
            cluster=self._cluster.name,
            version=self._wanted.version,
            database=self._cluster.databases[wanted.database].name,
            pool=made.name,
            endpoint=made.endpoint,
            login=made.login,
            replica=self._replicas[0].endpoint if self._replicas else None,
        )
