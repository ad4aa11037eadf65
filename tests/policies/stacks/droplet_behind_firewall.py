"""A database of one's own that the internet can reach."""

import pulumi
import pulumi_digitalocean as digitalocean

from tests.policies.stacks.shop import shop

shop()
digitalocean.Droplet(
    "shop-archive",
    name="shop-archive",
    region="nyc1",
    size="s-1vcpu-1gb",
    image="debian-12-x64",
    tags=["shop"],
    user_data="#!/bin/sh\napt-get install --yes postgresql",
    opts=pulumi.ResourceOptions(protect=True),
)
