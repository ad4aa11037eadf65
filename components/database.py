"""One cluster of a system with everything that belongs to it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from trellis.settings import ClusterSettings, Settings

from .alerts import ClusterAlerts, ClusterAlertsArgs
from .app import AppDatabase
from .cluster import Cluster, ClusterArgs
from .endpoint import Endpoint, postgresql_uri
from .network import Network
from .pool import Pool, PoolArgs
from .replica import Replica, ReplicaArgs
from .schemas import Files, migrated
from .trusted_sources import TrustedSources, TrustedSourcesArgs


@dataclass(frozen=True, kw_only=True)
class DatabasePlatformArgs:
    """files: folder of SQL -> what it holds. root: the folder of the program.

    copy: the network in another region that gets a copy of the cluster. droplets: ids of those that use it.
    """

    cluster: ClusterSettings
    settings: Settings
    network: Network
    copy: Network | None
    droplets: Sequence[pulumi.Input[str]]
    files: Files
    tags: Sequence[str]
    root: Path


class DatabasePlatform(pulumi.ComponentResource):
    """Creates a cluster, its trusted sources, schemas, pools, replicas and alerts, in an order that is safe.

    Nobody reaches the cluster before its trusted sources stand; no pool opens before the schema is there.
    """

    ca_certificate: pulumi.Output[str]
    direct_uris: Mapping[str, pulumi.Output[str]]
    pooled_uris: Mapping[str, pulumi.Output[str]]
    private_uris: Mapping[str, pulumi.Output[str]]
    replica_uris: Mapping[str, pulumi.Output[str]]
    reports: Mapping[str, pulumi.Output[Mapping[str, Any]]]

    def __init__(self, name: str, args: DatabasePlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:database:DatabasePlatform", name, None, opts)
        wanted, settings, network = args.cluster, args.settings, args.network
        private = settings.migration_endpoint == "private"
        inside = pulumi.ResourceOptions(parent=self)
        cluster = Cluster(
            wanted.name,
            ClusterArgs(
                name=settings.physical(wanted.name),
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
                cluster_id=cluster.id,
                # Replicas have the primary's list, so the network of a copy stands in it too.
                ranges=[member.ip_range for member in (network, args.copy) if member],
                addresses=settings.trusted_sources,
                droplets=args.droplets,
            ),
            inside,
        )
        guarded = [*cluster.members, trusted.firewall]
        migrations = migrated(wanted, cluster, args.files, args.root, private=private, after=guarded, opts=inside)
        self._pools = {
            pool.name: Pool(
                f"{wanted.name}-{pool.name}",
                PoolArgs(
                    pool=pool,
                    cluster_id=cluster.id,
                    database=cluster.databases[pool.database],
                    login=cluster.users[pool.user],
                    after=[migrations[pool.database]],
                ),
                inside,
            )
            for pool in wanted.pools
        }
        self._replicas = {
            number: Replica(
                f"{wanted.name}-{number}",
                ReplicaArgs(
                    cluster_id=cluster.id,
                    name=settings.physical(f"{wanted.name}-{number}"),
                    plan=wanted.plan,
                    region=home.region,
                    network_id=home.id,
                    after=guarded,
                ),
                inside,
            )
            for number, home in _homes(wanted, network, args.copy)
        }
        ClusterAlerts(
            f"{wanted.name}-alerts",
            ClusterAlertsArgs(
                cluster_id=cluster.id, cluster_name=settings.physical(wanted.name), alerts=settings.alerts
            ),
            inside,
        )
        self._cluster, self._wanted = cluster, wanted
        self.ca_certificate = cluster.ca_certificate
        self.direct_uris = {
            database: postgresql_uri(cluster.endpoint, cluster.admin, made, private=private)
            for database, made in cluster.databases.items()
        }
        self.pooled_uris, self.private_uris = (
            {
                pool: postgresql_uri(made.endpoint, made.login, made.name, private=inside_the_network)
                for pool, made in self._pools.items()
            }
            for inside_the_network in (private, True)
        )
        self.replica_uris = {
            f"{pool.name}-{number.removeprefix('replica-')}": postgresql_uri(
                replica.endpoint, cluster.users[pool.user], cluster.databases[pool.database], private=private
            )
            for number, replica in self._replicas.items()
            for pool in wanted.pools
        }
        self.reports = {database: migration.report for database, migration in migrations.items()}
        self.register_outputs({})

    def for_app(self, pool: str) -> AppDatabase:
        """What an app needs to know to use one of the pools."""
        wanted = next(candidate for candidate in self._wanted.pools if candidate.name == pool)
        made = self._pools[pool]
        return AppDatabase(
            cluster=self._cluster.name,
            version=self._wanted.version,
            database=self._cluster.databases[wanted.database],
            pool=made.name,
            endpoint=made.endpoint,
            login=made.login,
            replica=self._nearest_replica(),
        )

    def _nearest_replica(self) -> Endpoint | None:
        # A copy in another region is for the day that this region is lost, not for an app's reads.
        return next((made.endpoint for name, made in self._replicas.items() if name != "copy"), None)


def _homes(cluster: ClusterSettings, network: Network, copy: Network | None) -> Iterator[tuple[str, Network]]:
    for number in range(1, cluster.replicas + 1):
        yield f"replica-{number}", network
    if copy:
        yield "copy", copy
