"""A firewall that was opened by hand, and stays so."""

import pulumi
import pulumi_digitalocean as digitalocean

from tests.policies.stacks.shop import shop

shop()
digitalocean.Firewall(
    "shop-droplets",
    name="shop-droplets",
    tags=["shop"],
    inbound_rules=[{"protocol": "tcp", "port_range": "5432", "source_addresses": ["10.9.0.0/16"]}],
    opts=pulumi.ResourceOptions(ignore_changes=["inboundRules"]),
)
