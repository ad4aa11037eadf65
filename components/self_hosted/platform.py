"""One self-hosted cluster of a system with everything that belongs to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from trellis.settings.catalogue import FIRST_DATABASE
from trellis.settings.cluster import Dump
from trellis.settings.resolved import physical

from ..alerts import DROPLET_ALERTS, ClusterAlerts, ClusterAlertsArgs
from ..database import PlatformArgs, login_uris
from ..endpoint import administrator_uris, postgresql_uri
from ..schemas import migrated
from ..second_login import serving_logins
from ..self_hosted.server import SelfHostedServer, ServerArgs


@dataclass(frozen=True, kw_only=True)
class SelfHostedPlatformArgs(PlatformArgs):
    """droplet: slug of the server's size. volume_gib: the volume for its data. image: slug.

    dump: when, and how long one is kept. dumps_outlive: whether the bucket of dumps stays when the stack goes.
    ssh_keys: ids or fingerprints of keys that may log in as root.
    """

    droplet: str
    volume_gib: int
    image: str = "debian-12-x64"
    dump: Dump = field(default_factory=Dump)
    dumps_outlive: bool = True
    ssh_keys: Sequence[str] = ()


class SelfHostedPlatform(pulumi.ComponentResource):
    """Creates a server on a Droplet, its schemas and its alerts. It offers what a managed cluster offers, but replicas.

    Pools are there before the schema; nobody holds a password of theirs before the program has ended.
    """

    ca_certificate: pulumi.Output[str]
    direct_uris: Mapping[str, pulumi.Output[str]]
    review_uris: Mapping[str, pulumi.Output[str]]
    pooled_uris: Mapping[str, pulumi.Output[str]]
    private_uris: Mapping[str, pulumi.Output[str]]
    replica_uris: Mapping[str, pulumi.Output[str]]
    login_uris: Mapping[str, Mapping[str, pulumi.Output[str]]]
    reports: Mapping[str, pulumi.Output[Mapping[str, Any]]]

    def __init__(self, name: str, args: SelfHostedPlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:server:SelfHostedPlatform", name, None, opts)
        named, private = args.cluster, args.private
        inside = pulumi.ResourceOptions(parent=self)
        server = SelfHostedServer(
            named,
            ServerArgs(
                network=args.network,
                droplet=args.droplet,
                volume_gib=args.volume_gib,
                users=args.users,
                logins=args.logins,
                databases=[database.name for database in args.databases],
                pools=args.pools,
                version=args.version,
                image=args.image,
                dump=args.dump,
                dumps_outlive=args.dumps_outlive,
                name_suffix=args.name_suffix,
                trusted_sources=args.trusted_sources,
                private=private,
                ssh_keys=args.ssh_keys,
                tags=args.tags,
                protect=args.protect,
            ),
            inside,
        )
        migrations = migrated(
            named,
            args.databases if args.migrate else (),
            server,
            args.files,
            args.root,
            server.reviewers,
            private=private,
            after=server.members,
            opts=inside,
        )
        serving = serving_logins(
            named, server, FIRST_DATABASE, args.logins, migrations, private=private, after=server.members, opts=inside
        )
        if args.alerts:
            ClusterAlerts(
                f"{named}-alerts",
                ClusterAlertsArgs(
                    cluster_id=server.machine,
                    cluster_name=physical(named, args.name_suffix),
                    alerts=args.alerts,
                    kinds=DROPLET_ALERTS,
                ),
                inside,
            )
        self.ca_certificate = server.ca_certificate
        self.direct_uris = administrator_uris(server, private=private)
        self.review_uris = {
            database: postgresql_uri(server.endpoint, server.reviewers[database].login, made, private=private)
            for database, made in server.databases.items()
        }
        self.pooled_uris, self.private_uris = (
            {
                pool.name: postgresql_uri(
                    server.pool_endpoint, serving[pool.user], pool.name, private=inside_the_network
                )
                for pool in args.pools
            }
            for inside_the_network in (private, True)
        )
        self.replica_uris = {}
        self.login_uris = login_uris(args, server, serving, {})
        self.reports = {database: migration.report for database, migration in migrations.items()}
        self._server = server
        self.register_outputs({"ca_certificate": self.ca_certificate, "reports": self.reports})

    def inside_uris(self) -> Mapping[str, Mapping[str, pulumi.Output[str]]]:
        """What leads a machine in the VPC here, as the administrator but by pools: `direct` and `pool`."""
        server = self._server
        first = postgresql_uri(server.endpoint, server.admin, FIRST_DATABASE, private=True)
        return {
            "direct": {**administrator_uris(server, private=True), FIRST_DATABASE: first},
            "pool": self.private_uris,
        }
