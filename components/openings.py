"""What a firewall of Droplets lets through."""

from collections.abc import Iterable, Sequence

import pulumi
import pulumi_digitalocean as digitalocean


def inbound(ports: str, sources: Iterable[pulumi.Input[str]]) -> digitalocean.FirewallInboundRuleArgs:
    """TCP from these addresses and ranges."""
    return digitalocean.FirewallInboundRuleArgs(protocol="tcp", port_range=ports, source_addresses=list(sources))


def outbound() -> Sequence[digitalocean.FirewallOutboundRuleArgs]:
    """Everything."""
    everywhere = ["0.0.0.0/0", "::/0"]
    return [
        digitalocean.FirewallOutboundRuleArgs(protocol=one, port_range="1-65535", destination_addresses=everywhere)
        for one in ("tcp", "udp")
    ]
