"""The private network of a system."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """Where a system lives.

    region: DigitalOcean region slug, for example "nyc1".
    ip_range: RFC 1918 range, /16 to /28, that no other VPC of the account overlaps.
    name: the VPC's, which no other of the account has; by default the component's with "-vpc" behind it.
    protect: refuse to delete it. after: what has to stand first.
    """

    region: pulumi.Input[str]
    ip_range: pulumi.Input[str]
    name: pulumi.Input[str] | None = None
    protect: bool = False
    after: Sequence[pulumi.Resource] = ()


class Network(pulumi.ComponentResource):
    """Creates one VPC. Every cluster, replica and app of the system joins it.

    The range is explicit because DigitalOcean picks ranges that clash when VPCs are made side by side.
    """

    id: pulumi.Output[str]
    region: pulumi.Input[str]
    ip_range: pulumi.Output[str]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:network:Network", name, None, opts)
        vpc = digitalocean.Vpc(
            name,
            name=args.name or f"{name}-vpc",
            region=args.region,
            ip_range=args.ip_range,
            opts=pulumi.ResourceOptions(parent=self, depends_on=args.after, protect=args.protect),
        )
        self.id = vpc.id
        # As it was given: an output of the VPC would be known only once the VPC is.
        self.region = args.region
        self.ip_range = vpc.ip_range
        self.register_outputs({"id": self.id, "region": self.region, "ip_range": self.ip_range})
