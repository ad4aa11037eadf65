"""A firewall that lets the internet at PostgreSQL."""

import pulumi_digitalocean as digitalocean

from tests.policies.stacks.shop import shop

shop()
digitalocean.Firewall(
    "shop-droplets",
    name="shop-droplets",
    tags=["shop"],
    inbound_rules=[{"protocol": "tcp", "port_range": "1-65535", "source_addresses": ["0.0.0.0/1", "128.0.0.0/1"]}],
)
