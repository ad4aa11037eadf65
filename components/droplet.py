"""A Droplet that uses the system's clusters."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from trellis.settings.app import Droplet as DropletSettings


@dataclass(frozen=True, kw_only=True)
class DropletArgs:
    """name: its host name. network_id: the VPC it joins.

    ssh_keys: ids or fingerprints of keys that may log in as root.
    """

    name: str
    droplet: DropletSettings
    region: str
    network_id: pulumi.Input[str]
    ssh_keys: Sequence[str]
    tags: Sequence[str]


class Droplet(pulumi.ComponentResource):
    """Creates one Droplet. What runs on it is deployed by its own tools; the clusters trust it by its id."""

    id: pulumi.Output[str]
    private_address: pulumi.Output[str]
    public_address: pulumi.Output[str]

    def __init__(self, name: str, args: DropletArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:droplet:Droplet", name, None, opts)
        droplet = digitalocean.Droplet(
            name,
            name=args.name,
            image=args.droplet.image,
            size=args.droplet.size,
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
        self.register_outputs({"id": self.id})
