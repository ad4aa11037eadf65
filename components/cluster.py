"""A managed PostgreSQL cluster with its databases and users."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from trellis.settings import ClusterSettings
from trellis.settings.cluster import Maintenance

from .endpoint import Endpoint, Login

MIB_PER_GIB = 1024


@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    """What to create and where.

    name: the cluster's, which no other of the account has.
    network_id: the VPC it joins. tags: labels for bills and searches. protect: refuse to delete data.
    """

    name: str
    cluster: ClusterSettings
    region: str
    network_id: pulumi.Input[str]
    tags: Sequence[str]
    protect: bool


class Cluster(pulumi.ComponentResource):
    """Creates one database cluster, its databases and its users, and looks up the CA certificate.

    The storage is explicit: left out, a larger plan would keep the smaller plan's disk.
    Users hold no grants; the migrations give them theirs.
    """

    id: pulumi.Output[str]
    name: pulumi.Output[str]
    endpoint: Endpoint
    admin: Login
    ca_certificate: pulumi.Output[str]
    databases: Mapping[str, pulumi.Output[str]]
    users: Mapping[str, Login]
    members: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:database:Cluster", name, None, opts)
        wanted = args.cluster
        cluster = digitalocean.DatabaseCluster(
            name,
            name=args.name,
            engine=wanted.engine,
            version=wanted.version,
            size=wanted.plan.slug,
            storage_size_mib=str(wanted.plan.storage_gib * MIB_PER_GIB),
            node_count=wanted.nodes,
            region=args.region,
            private_network_uuid=args.network_id,
            maintenance_windows=windows(wanted.maintenance),
            tags=list(args.tags),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        databases = {
            database.name: digitalocean.DatabaseDb(
                f"{name}-{database.name}",
                name=database.name,
                cluster_id=cluster.id,
                opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
            )
            for database in wanted.databases
        }
        users = {
            user: digitalocean.DatabaseUser(
                f"{name}-{user}",
                name=user,
                cluster_id=cluster.id,
                # The name is taken while the old one stands.
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
            for user in wanted.users
        }
        self.id = cluster.id
        self.name = cluster.name
        self.endpoint = Endpoint(private_host=cluster.private_host, public_host=cluster.host, port=cluster.port)
        self.admin = Login(user=cluster.user, password=cluster.password)
        self.ca_certificate = digitalocean.get_database_ca_output(
            cluster_id=cluster.id, opts=pulumi.InvokeOutputOptions(parent=self)
        ).certificate
        self.users = {user: Login(user=made.name, password=made.password) for user, made in users.items()}
        self.databases = {name: database.name for name, database in databases.items()}
        self.members = [cluster, *databases.values(), *users.values()]
        self.register_outputs({"id": self.id, "name": self.name})


def windows(maintenance: Maintenance) -> list[digitalocean.DatabaseClusterMaintenanceWindowArgs]:
    """The maintenance window in the plugin's form."""
    return [digitalocean.DatabaseClusterMaintenanceWindowArgs(day=maintenance.day, hour=f"{maintenance.hour}:00")]
