"""A Droplet that uses the system's clusters."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean


@dataclass(frozen=True, kw_only=True)
class DropletArgs:
    """size: slug. region: DigitalOcean region slug. network_id: the VPC it joins.

    name: its host name; by default the component's. image: slug. ssh_keys: ids or fingerprints of keys that may log in
    as root. tags: labels for bills and searches.
    """

    size: pulumi.Input[str]
    region: pulumi.Input[str]
    network_id: pulumi.Input[str]
    name: pulumi.Input[str] | None = None
    image: pulumi.Input[str] = "debian-12-x64"
    ssh_keys: Sequence[pulumi.Input[str]] = ()
    tags: Sequence[pulumi.Input[str]] = ()


class Droplet(pulumi.ComponentResource):
    """Creates one Droplet. What runs on it is deployed by its own tools; the clusters trust it by its id."""

    id: pulumi.Output[str]
    private_address: pulumi.Output[str]
    public_address: pulumi.Output[str]

    def __init__(self, name: str, args: DropletArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:droplet:Droplet", name, None, opts)
        droplet = digitalocean.Droplet(
            name,
            name=args.name or name,
            image=args.image,
            size=args.size,
            region=args.region,
            vpc_uuid=args.network_id,
            ssh_keys=list(args.ssh_keys),
            monitoring=True,
            tags=list(args.tags),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.id = droplet.id
        self.private_address = droplet.ipv4_address_private
        self.public_address = droplet.ipv4_address
        self.register_outputs(
            {"id": self.id, "private_address": self.private_address, "public_address": self.public_address}
        )
