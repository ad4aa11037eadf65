"""Who may open a connection to a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean


@dataclass(frozen=True, kw_only=True)
class TrustedSourcesArgs:
    """ranges: of the VPCs. addresses: IPv4 addresses and ranges outside them. droplets: ids. One at least."""

    cluster_id: pulumi.Input[str]
    ranges: Sequence[pulumi.Input[str]] = ()
    addresses: Sequence[pulumi.Input[str]] = ()
    droplets: Sequence[pulumi.Input[str]] = ()


class TrustedSources(pulumi.ComponentResource):
    """Creates the one firewall resource of a cluster: the VPCs' ranges, the named addresses, the Droplets.

    DigitalOcean has no rule for a VPC, and its `app` rule admits only an app's public address, so the range stands
    for both. The resource replaces the whole list; an empty list would open the cluster to the internet, and is a
    ValueError.
    """

    firewall: digitalocean.DatabaseFirewall

    def __init__(self, name: str, args: TrustedSourcesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        if not (args.ranges or args.addresses or args.droplets):
            raise ValueError(
                f"{name}: nobody is named, which would open the cluster to the internet. Name the VPC's range"
            )
        super().__init__("trellis:database:TrustedSources", name, None, opts)
        self.firewall = digitalocean.DatabaseFirewall(
            name,
            cluster_id=args.cluster_id,
            rules=[
                digitalocean.DatabaseFirewallRuleArgs(type="ip_addr", value=value)
                for value in (*args.ranges, *args.addresses)
            ]
            + [digitalocean.DatabaseFirewallRuleArgs(type="droplet", value=droplet) for droplet in args.droplets],
            # Deleting it would empty the list, and so open a cluster that stays. The list goes with its cluster.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        self.register_outputs({"cluster_id": self.firewall.cluster_id})
