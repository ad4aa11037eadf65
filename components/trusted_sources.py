"""Who may open a connection to a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean


@dataclass(frozen=True, kw_only=True)
class TrustedSourcesArgs:
    """network_range: the VPC's range. addresses: IPv4 addresses and ranges outside it."""

    cluster_id: pulumi.Input[str]
    network_range: pulumi.Input[str]
    addresses: Sequence[str]


class TrustedSources(pulumi.ComponentResource):
    """Creates the one firewall resource of a cluster: the VPC's range, then the named addresses.

    DigitalOcean has no rule for a VPC, and its `app` rule admits only an app's public address, so the range stands
    for both. The resource replaces the whole list; an empty list would open the cluster to the internet.
    """

    firewall: digitalocean.DatabaseFirewall

    def __init__(self, name: str, args: TrustedSourcesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:database:TrustedSources", name, None, opts)
        self.firewall = digitalocean.DatabaseFirewall(
            name,
            cluster_id=args.cluster_id,
            rules=[
                digitalocean.DatabaseFirewallRuleArgs(type="ip_addr", value=value)
                for value in (args.network_range, *args.addresses)
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
