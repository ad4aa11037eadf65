"""A read-only copy of a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from .cluster import storage_mib
from .endpoint import Endpoint


@dataclass(frozen=True, kw_only=True)
class ReplicaArgs:
    """region: DigitalOcean region slug. network_id: the VPC, which a replica does not take over by itself.

    name: the replica's; by default the component's. plan: the primary's or a larger one. storage_gib: its disk, by
    default the plan's. after: what has to stand first.
    """

    cluster_id: pulumi.Input[str]
    region: pulumi.Input[str]
    network_id: pulumi.Input[str]
    name: pulumi.Input[str] | None = None
    plan: pulumi.Input[str] = "db-s-1vcpu-1gb"
    storage_gib: pulumi.Input[int] | None = None
    after: Sequence[pulumi.Resource] = ()


class Replica(pulumi.ComponentResource):
    """Creates one streaming replica. Users and passwords are the primary's."""

    endpoint: Endpoint

    def __init__(self, name: str, args: ReplicaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:database:Replica", name, None, opts)
        replica = digitalocean.DatabaseReplica(
            name,
            name=args.name or name,
            cluster_id=args.cluster_id,
            size=args.plan,
            storage_size_mib=storage_mib(args.plan, args.storage_gib),
            region=args.region,
            private_network_uuid=args.network_id,
            opts=pulumi.ResourceOptions(parent=self, depends_on=args.after),
        )
        self.endpoint = Endpoint(private_host=replica.private_host, public_host=replica.host, port=replica.port)
        self.register_outputs(
            {
                "host": self.endpoint.public_host,
                "private_host": self.endpoint.private_host,
                "port": self.endpoint.port,
            }
        )
