"""One cluster of a system with everything that belongs to it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi

from trellis.settings.catalogue import Edition
from trellis.settings.cluster import QUIET, UNSET, Backup, Maintenance, ServerSettings
from trellis.settings.resolved import DatabaseSettings, LoginSettings, PoolSettings, physical, second_login
from trellis.settings.system import Alerts

from .alerts import ClusterAlerts, ClusterAlertsArgs
from .app import AppDatabase
from .cluster import Cluster, ClusterArgs
from .endpoint import Endpoint, Login, Server, administrator_uris, postgresql_uri
from .network import Network
from .pool import Pool, PoolArgs
from .replica import Replica, ReplicaArgs
from .reviewer import reviewers
from .schemas import Files, migrated
from .second_login import serving_logins
from .trusted_sources import TrustedSources, TrustedSourcesArgs


@dataclass(frozen=True, kw_only=True)
class PlatformArgs:
    """What a cluster holds and who uses it, whoever runs it.

    cluster: its name, with which the names of everything inside begin. name_suffix: what ends the names in the account.
    network: the VPC it joins. version: of PostgreSQL.
    databases: each with the folder of its SQL. users: their names. pools: each with its database, user, mode and size.
    trusted_sources: IPv4 addresses and ranges outside the VPC that may connect.
    private: whether this machine is inside it. migrate: whether the files give the schema; else it comes by a move.
    alerts: who gets mails when it runs hot; by default nobody.
    files: folder of SQL -> what it holds, where it was read before. root: the folder of the program.
    logins: user -> the two logins that take turns for it, where its password was rotated.
    tags: labels for bills and searches. protect: refuse to delete data.
    """

    cluster: str
    network: Network
    databases: Sequence[DatabaseSettings]
    users: Sequence[str]
    pools: Sequence[PoolSettings] = ()
    version: str = "17"
    migrate: bool = True
    name_suffix: str = ""
    trusted_sources: Sequence[str] = ()
    private: bool = False
    alerts: Alerts | None = None
    files: Files = field(default_factory=dict)
    root: Path = field(default_factory=Path.cwd)
    logins: Mapping[str, LoginSettings] = field(default_factory=dict)
    tags: Sequence[str] = ()
    protect: bool = True


@dataclass(frozen=True, kw_only=True)
class DatabasePlatformArgs(PlatformArgs):
    """plan: slug of a node's. edition: DigitalOcean's kind of cluster. nodes: 1, or more with standbys.

    replicas: how many read-only ones beside the cluster.
    copy: the network in another region that gets a replica too. droplets: ids of those that use the cluster.
    maintenance: when DigitalOcean may update it; by default on Sunday at 04:00 UTC.
    backup: when it is backed up every day; by default DigitalOcean chooses.
    restored_from: the name of the cluster that it is a copy of, and the second of it.
    """

    plan: str = "db-s-1vcpu-1gb"
    edition: Edition = Edition.STANDARD
    nodes: int = 1
    replicas: int = 0
    copy: Network | None = None
    droplets: Sequence[pulumi.Input[str]] = ()
    maintenance: Maintenance = QUIET
    backup: Backup | None = None
    settings: ServerSettings = UNSET
    restored_from: tuple[str, str] | None = None


class DatabasePlatform(pulumi.ComponentResource):
    """Creates a cluster, its trusted sources, schemas, pools, replicas and alerts, in an order that is safe.

    Nobody reaches the cluster before its trusted sources stand; no pool opens before the schema is there.
    """

    ca_certificate: pulumi.Output[str]
    direct_uris: Mapping[str, pulumi.Output[str]]
    review_uris: Mapping[str, pulumi.Output[str]]
    pooled_uris: Mapping[str, pulumi.Output[str]]
    private_uris: Mapping[str, pulumi.Output[str]]
    replica_uris: Mapping[str, pulumi.Output[str]]
    login_uris: Mapping[str, Mapping[str, pulumi.Output[str]]]
    reports: Mapping[str, pulumi.Output[Mapping[str, Any]]]

    def __init__(self, name: str, args: DatabasePlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:database:DatabasePlatform", name, None, opts)
        named, network, private = args.cluster, args.network, args.private
        inside = pulumi.ResourceOptions(parent=self)
        cluster = Cluster(
            named,
            ClusterArgs(
                name=physical(named, args.name_suffix),
                region=network.region,
                network_id=network.id,
                version=args.version,
                edition=args.edition,
                plan=args.plan,
                nodes=args.nodes,
                databases=[database.name for database in args.databases],
                users=[*args.users, *map(second_login, args.logins)],
                maintenance=args.maintenance,
                backup=args.backup,
                settings=args.settings,
                restored_from=args.restored_from,
                tags=args.tags,
                protect=args.protect,
            ),
            inside,
        )
        trusted = TrustedSources(
            f"{named}-trusted-sources",
            TrustedSourcesArgs(
                cluster_id=cluster.id,
                # Replicas have the primary's list, so the network of a copy stands in it too.
                ranges=[member.ip_range for member in (network, args.copy) if member],
                addresses=args.trusted_sources,
                droplets=args.droplets,
            ),
            inside,
        )
        # Whatever needs a database or a user takes its name from it. To wait for all of them beside would make a state
        # of n databases hold n times n names.
        guarded = [trusted.firewall]
        reviewing = reviewers(cluster.admin, [database.name for database in args.databases])
        migrations = migrated(
            named,
            args.databases if args.migrate else (),
            cluster,
            args.files,
            args.root,
            reviewing,
            private=private,
            after=guarded,
            opts=inside,
        )
        serving = serving_logins(
            named,
            cluster,
            next(iter(cluster.databases)),
            args.logins,
            migrations,
            private=private,
            after=guarded,
            opts=inside,
        )
        self._pools = {
            pool.name: Pool(
                f"{named}-{pool.name}",
                PoolArgs(
                    name=pool.name,
                    mode=pool.mode.value,
                    size=pool.size,
                    cluster_id=cluster.id,
                    database=cluster.databases[pool.database],
                    login=serving[pool.user],
                    in_turns=pool.user in args.logins,
                    open_to_all=pool.user in args.logins and args.logins[pool.user].both,
                    after=[migrations[pool.database]] if args.migrate else guarded,
                ),
                inside,
            )
            for pool in args.pools
        }
        self._replicas = {
            number: Replica(
                f"{named}-{number}",
                ReplicaArgs(
                    cluster_id=cluster.id,
                    name=physical(f"{named}-{number}", args.name_suffix),
                    plan=args.plan,
                    region=home.region,
                    network_id=home.id,
                    after=guarded,
                ),
                inside,
            )
            for number, home in _homes(args)
        }
        if args.alerts:
            ClusterAlerts(
                f"{named}-alerts",
                ClusterAlertsArgs(
                    cluster_id=cluster.id, cluster_name=physical(named, args.name_suffix), alerts=args.alerts
                ),
                inside,
            )
        self._cluster = cluster
        self.ca_certificate = cluster.ca_certificate
        self.direct_uris = administrator_uris(cluster, private=private)
        self.review_uris = {
            database: postgresql_uri(cluster.endpoint, reviewing[database].login, made, private=private)
            for database, made in cluster.databases.items()
        }
        self.pooled_uris, self.private_uris = (
            {pool: made.uri(private=inside_the_network) for pool, made in self._pools.items()}
            for inside_the_network in (private, True)
        )
        self.replica_uris = {
            f"{pool.name}-{number.removeprefix('replica-')}": postgresql_uri(
                replica.endpoint, serving[pool.user], cluster.databases[pool.database], private=private
            )
            for number, replica in self._replicas.items()
            for pool in args.pools
        }
        self.login_uris = login_uris(
            args, cluster, serving, {key: made.endpoint for key, made in self._replicas.items()}
        )
        self.reports = {database: migration.report for database, migration in migrations.items()}
        self.register_outputs({"ca_certificate": self.ca_certificate, "reports": self.reports})

    def for_app(self, pool: str) -> AppDatabase:
        """What an app needs to know to use one of the pools."""
        return self._pools[pool].for_app(self._cluster, self._nearest_replica())

    def inside_uris(self) -> Mapping[str, Mapping[str, pulumi.Output[str]]]:
        """What leads a machine in the VPC here, as the administrator but by pools: `direct`, `pool` and `replica`."""
        cluster = self._cluster
        return {
            "direct": administrator_uris(cluster, private=True),
            "pool": self.private_uris,
            "replica": {
                key: postgresql_uri(replica.endpoint, cluster.admin, made, private=True)
                for key, replica in self._replicas.items()
                for made in list(cluster.databases.values())[:1]
            },
        }

    def _nearest_replica(self) -> Endpoint | None:
        # A copy in another region is for the day that this region is lost, not for an app's reads.
        return next((made.endpoint for name, made in self._replicas.items() if name != "copy"), None)


def login_uris(
    args: PlatformArgs, server: Server, serving: Mapping[str, Login], replicas: Mapping[str, Endpoint]
) -> Mapping[str, Mapping[str, pulumi.Output[str]]]:
    """The ways of each login to the databases whose files grant to it.

    serving: user -> the login by which it comes in. One that no pool is for connects to the cluster by the direct port:
    the way is called like the database. On a replica, which has no pools, every login does: `<database>-<replica>`.
    """
    pooled = {pool.user: pool.database for pool in args.pools}
    found: dict[str, dict[str, pulumi.Output[str]]] = {}
    for user in args.users:
        for database in args.databases:
            if user in database.roles.values() or pooled.get(user) == database.name:
                endpoints = {f"{database.name}-{key}": endpoint for key, endpoint in replicas.items()}
                if user not in pooled:
                    endpoints = {database.name: server.endpoint, **endpoints}
                for way, endpoint in endpoints.items():
                    found.setdefault(user, {})[way] = postgresql_uri(
                        endpoint, serving[user], server.databases[database.name], private=args.private
                    )
    return found


def _homes(args: DatabasePlatformArgs) -> Iterator[tuple[str, Network]]:
    for number in range(1, args.replicas + 1):
        yield f"replica-{number}", args.network
    if args.copy:
        yield "copy", args.copy
