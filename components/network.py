"""The private network of a system."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """Where a system lives.

    name: the VPC's, which no other of the account has.
    region: DigitalOcean region slug, for example "nyc1".
    ip_range: RFC 1918 range, /16 to /28, that no other VPC of the account overlaps.
    protect: refuse to delete it. after: what has to stand first.
    """

    name: str
    region: str
    ip_range: str
    protect: bool
    after: Sequence[pulumi.Resource]


class Network(pulumi.ComponentResource):
    """Creates one VPC. Every cluster, replica and app of the system joins it.

    The range is explicit because DigitalOcean picks ranges that clash when VPCs are made side by side.
    """

    id: pulumi.Output[str]
    region: str
    ip_range: pulumi.Output[str]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:network:Network", name, None, opts)
        vpc = digitalocean.Vpc(
            name,
            name=args.name,
            region=args.region,
            ip_range=args.ip_range,
            opts=pulumi.ResourceOptions(parent=self, depends_on=args.after, protect=args.protect),
        )
        self.id = vpc.id
        self.region = args.region
        self.ip_range = vpc.ip_range
        self.register_outputs({"id": self.id, "ip_range": self.ip_range})
