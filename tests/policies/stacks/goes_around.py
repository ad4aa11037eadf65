"""Ways past several policies in one program, as the engine hands them to the pack."""

import base64

import pulumi
import pulumi_digitalocean as digitalocean

from tests.policies.stacks.shop import shop

HOST = "PRIVATE-shop-db.db.ondigitalocean.com"
SCRIPT = base64.b64encode(b"#!/bin/sh\napt-get install --yes postgresql\nexport PGPASSWORD=hunter2\n").decode()

shop(
    trusted=[[{"type": "ip_addr", "value": f"{start}.0.0/16"} for start in ("10.9", "198.50", "198.51")]],
    environment=[
        {"key": "DSN", "value": f"host={HOST} port=25060 user=shop_app sslmode=require"},
        {"key": "CONFIG", "value": '{"user": "doadmin"}'},
        {"key": "DB_PW_2", "value": "hunter2"},
    ],
    bucket={"lifecycle_rules": [{"enabled": True, "expiration": {"days": 36500}}]},
)
digitalocean.Droplet(
    "shop-archive",
    name="shop-archive",
    region="nyc1",
    size="s-1vcpu-1gb",
    image="debian-12-x64",
    tags=["shop"],
    user_data=f"#cloud-config\nwrite_files:\n- encoding: b64\n  content: {SCRIPT}\n",
)
digitalocean.Firewall(
    "shop-web",
    name="shop-web",
    tags=["web"],
    inbound_rules=[
        {"protocol": "tcp", "port_range": "5432", "source_addresses": ["198.50.0.0/16", "198.51.0.0/16"]},
    ],
    opts=pulumi.ResourceOptions(ignore_changes=['["inboundRules"]']),
)
digitalocean.SpacesKey("shop-key", name="shop-key", grants=[{"bucket": "*", "permission": "read"}])
