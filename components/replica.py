"""A read-only copy of a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from trellis.settings import Plan

from .cluster import MIB_PER_GIB
from .endpoint import Endpoint


@dataclass(frozen=True, kw_only=True)
class ReplicaArgs:
    """plan: the primary's or a larger one. network_id: the VPC, which a replica does not take over by itself.

    after: what has to stand first.
    """

    cluster_id: pulumi.Input[str]
    name: str
    plan: Plan
    region: str
    network_id: pulumi.Input[str]
    after: Sequence[pulumi.Resource]


class Replica(pulumi.ComponentResource):
    """Creates one streaming replica. Users and passwords are the primary's."""

    endpoint: Endpoint

    def __init__(self, name: str, args: ReplicaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:database:Replica", name, None, opts)
        replica = digitalocean.DatabaseReplica(
            name,
            name=args.name,
            cluster_id=args.cluster_id,
            size=args.plan.slug,
            storage_size_mib=str(args.plan.storage_gib * MIB_PER_GIB),
            region=args.region,
            private_network_uuid=args.network_id,
            opts=pulumi.ResourceOptions(parent=self, depends_on=args.after),
        )
        self.endpoint = Endpoint(private_host=replica.private_host, public_host=replica.host, port=replica.port)
        self.register_outputs({})
