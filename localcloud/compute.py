"""Records of Droplets and of what belongs to them."""

from collections.abc import Iterable
from typing import Any, Literal

from localcloud.records import Record, Resource


class Droplet(Record):
    """A virtual machine.

    on: whether it shall run. status: "new" until it ran once. failure: why it does not run although it shall.
    """

    id: int
    name: str
    region: str
    size: str
    disk_gib: int
    image: str
    vpc_uuid: str
    public_address: str
    """Empty for a Droplet without public networking."""
    private_address: str
    features: tuple[str, ...]
    tags: tuple[str, ...] = ()
    status: Literal["new", "active", "off"] = "new"
    on: bool = True
    created_at: str
    failure: str = ""
    deleting: bool = False

    @property
    def urn(self) -> str:
        return f"do:droplet:{self.id}"

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.public_address, self.private_address)))


def addresses_of(droplets: Iterable[Droplet], ids: Iterable[str], tags: Iterable[str]) -> list[str]:
    """Of the Droplets that are named, or that have one of the tags."""
    named, tagged = set(ids), set(tags)
    found = [item for item in droplets if str(item.id) in named or not tagged.isdisjoint(item.tags)]
    return [address for item in found for address in item.addresses]


class Volume(Resource):
    """A disk of its own life. `droplet_id` is None while it is attached to no Droplet."""

    KIND = "volume"

    name: str
    region: str
    size_gib: int
    description: str = ""
    filesystem_type: str = ""
    filesystem_label: str = ""
    tags: tuple[str, ...] = ()
    droplet_id: int | None = None
    created_at: str


class Firewall(Record):
    """Rules for Droplets, named or by tag."""

    id: str
    name: str
    inbound_rules: tuple[dict[str, Any], ...] = ()
    outbound_rules: tuple[dict[str, Any], ...] = ()
    droplet_ids: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    created_at: str


class SshKey(Record):
    """A public key that new Droplets get."""

    id: int
    name: str
    public_key: str
    fingerprint: str


class Action(Record):
    """Something that was asked of a Droplet or of a volume. `completed_at` is empty while it is under way."""

    id: int
    type: str
    resource_type: Literal["droplet", "volume"]
    resource_id: int | None
    """None for a volume, whose id is no number."""
    region: str
    status: Literal["in-progress", "completed", "errored"] = "in-progress"
    started_at: str
    completed_at: str = ""
