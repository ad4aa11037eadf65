"""A managed PostgreSQL cluster with its databases and users."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean
from pulumi import dynamic

from trellis.providers.settings import SettingProvider
from trellis.settings import PLANS
from trellis.settings.catalogue import Edition
from trellis.settings.cluster import QUIET, UNSET, Backup, Maintenance, ServerSettings

from .endpoint import Endpoint, Login
from .lookups import ends_plainly

_MIB_PER_GIB = 1024


@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    """What to create and where.

    region: DigitalOcean region slug. network_id: the VPC it joins.
    name: the cluster's, which no other of the account has; by default the component's.
    version: of PostgreSQL. edition: DigitalOcean's kind of cluster; another one is another cluster.
    plan: slug of a node's. storage_gib: a node's disk; by default the plan's.
    nodes: 1, or up to 3 with standbys that take over. databases, users: their names.
    maintenance: when DigitalOcean may update it; by default on Sunday at 04:00 UTC.
    backup: when it is backed up every day; by default DigitalOcean chooses.
    restored_from: the name of the cluster that it is a copy of, and the second of it, as 2026-01-31T19:25:22Z.
    tags: labels for bills and searches. protect: refuse to delete it and its databases.
    """

    region: pulumi.Input[str]
    network_id: pulumi.Input[str]
    name: pulumi.Input[str] | None = None
    version: pulumi.Input[str] = "17"
    edition: Edition = Edition.STANDARD
    plan: pulumi.Input[str] = "db-s-1vcpu-1gb"
    storage_gib: pulumi.Input[int] | None = None
    nodes: pulumi.Input[int] = 1
    databases: Sequence[str] = ()
    users: Sequence[str] = ()
    maintenance: Maintenance = QUIET
    backup: Backup | None = None
    settings: ServerSettings = UNSET
    restored_from: tuple[str, str] | None = None
    tags: Sequence[pulumi.Input[str]] = ()
    protect: bool = False


class Configuration(dynamic.Resource, module="cluster", name="Configuration"):
    """Sets some of a cluster's configuration. What is taken away stays as it is."""

    def __init__(
        self, name: str, item: pulumi.Output[str], wanted: Mapping[str, int], opts: pulumi.ResourceOptions
    ) -> None:
        props = {
            "provider_version": SettingProvider.version,
            "item": item,
            "root": "config",
            "method": "PATCH",
            "at": "config",
            "wanted": dict(wanted),
            "body": {},
        }
        super().__init__(SettingProvider(), name, props, opts)


class Cluster(pulumi.ComponentResource):
    """Creates one database cluster, its databases, its users and its backup time, and looks up the CA certificate.

    The storage is explicit: left out, a larger plan would keep the smaller plan's disk.
    Users hold no grants; the migrations give them theirs.
    """

    id: pulumi.Output[str]
    name: pulumi.Output[str]
    version: pulumi.Input[str]
    endpoint: Endpoint
    admin: Login
    ca_certificate: pulumi.Output[str]
    databases: Mapping[str, pulumi.Output[str]]
    users: Mapping[str, Login]
    members: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:database:Cluster", name, None, opts)
        cluster = digitalocean.DatabaseCluster(
            name,
            name=args.name or name,
            engine=args.edition.engine,
            version=args.version,
            size=args.plan,
            storage_size_mib=storage_mib(args.plan, args.storage_gib),
            node_count=args.nodes,
            region=args.region,
            private_network_uuid=args.network_id,
            maintenance_windows=windows(args.maintenance),
            tags=list(args.tags) or None,
            backup_restore=_past(*args.restored_from) if args.restored_from else None,
            # Where it came from is over when it is there.
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect, ignore_changes=["backupRestore"]),
        )
        databases = {
            database: digitalocean.DatabaseDb(
                f"{name}-{database}",
                name=database,
                cluster_id=cluster.id,
                opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
            )
            for database in args.databases
        }
        users = {
            user: digitalocean.DatabaseUser(
                f"{name}-{user}",
                name=user,
                cluster_id=cluster.id,
                # The name is taken while the old one stands.
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
            for user in args.users
        }
        if wanted := _configured(args):
            item = pulumi.Output.concat("/v2/databases/", cluster.id, "/config")
            # It was called so while it set the time of the backup alone.
            before = pulumi.Alias(name=f"{name}-backup", type_="pulumi-python:dynamic/cluster:BackupTime")
            options = pulumi.ResourceOptions(parent=self, aliases=[before])
            Configuration(f"{name}-configuration", item, wanted, options)
        self.id = cluster.id
        self.name = cluster.name
        self.version = args.version
        self.endpoint = Endpoint(private_host=cluster.private_host, public_host=cluster.host, port=cluster.port)
        self.admin = Login(user=cluster.user, password=cluster.password)
        authority = digitalocean.get_database_ca_output(
            cluster_id=cluster.id, opts=pulumi.InvokeOutputOptions(parent=self)
        ).recover(ends_plainly(f"the CA certificate of {name}"))
        self.ca_certificate = authority.certificate
        self.users = {user: Login(user=made.name, password=made.password) for user, made in users.items()}
        self.databases = {name: database.name for name, database in databases.items()}
        self.members = [cluster, *databases.values(), *users.values()]
        self.register_outputs(
            {
                "id": self.id,
                "name": self.name,
                "host": self.endpoint.public_host,
                "private_host": self.endpoint.private_host,
                "port": self.endpoint.port,
                "ca_certificate": self.ca_certificate,
            }
        )


def _configured(args: ClusterArgs) -> dict[str, int]:
    """What of the configuration is asked for, by the API's names."""
    hour, minute = map(int, args.backup.hour.split(":")) if args.backup else (None, None)
    asked = {"backup_hour": hour, "backup_minute": minute, **args.settings.model_dump()}
    return {name: value for name, value in asked.items() if value is not None}


def _past(name: str, at: str) -> digitalocean.DatabaseClusterBackupRestoreArgs:
    return digitalocean.DatabaseClusterBackupRestoreArgs(database_name=name, backup_created_at=at)


def storage_mib(plan: pulumi.Input[str], storage_gib: pulumi.Input[int] | None) -> pulumi.Output[str]:
    """The disk of a node in the plugin's form. Raises ValueError where nobody says how large it is."""
    return pulumi.Output.all(plan, storage_gib).apply(lambda known: str(_gib(*known) * _MIB_PER_GIB))


def _gib(plan: str, storage_gib: int | None) -> int:
    if storage_gib is not None:
        return int(storage_gib)
    if plan not in PLANS:
        raise ValueError(f"the plan {plan!r} is not in the catalogue: say how large its disk is with storage_gib")
    return PLANS[plan].storage_gib


def windows(maintenance: Maintenance) -> list[digitalocean.DatabaseClusterMaintenanceWindowArgs]:
    """The maintenance window in the plugin's form."""
    return [digitalocean.DatabaseClusterMaintenanceWindowArgs(day=maintenance.day, hour=f"{maintenance.hour}:00")]
