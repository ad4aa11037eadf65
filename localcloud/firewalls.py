"""What the firewalls of the account let a Droplet receive and send."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, ip_network
from typing import Any

from localcloud.compute import Droplet, addresses_of
from localcloud.machines import Opening, Walls
from localcloud.networks import PRIVATE_HOST, members, within
from localcloud.state import Tables

_ALL = (0, 65535)


def walls(tables: Tables, droplet: Droplet) -> Walls:
    """Of the firewalls that name the Droplet, or a tag of it; without one everything passes."""
    over = [
        wall
        for wall in tables.firewalls.values()
        if droplet.id in wall.droplet_ids or not set(droplet.tags).isdisjoint(wall.tags)
    ]
    if not over:
        return Walls(own=droplet.addresses)
    return Walls(
        own=droplet.addresses,
        inbound=tuple(_opening(tables, rule, rule["sources"]) for wall in over for rule in wall.inbound_rules),
        outbound=tuple(_opening(tables, rule, rule["destinations"]) for wall in over for rule in wall.outbound_rules),
    )


def _opening(tables: Tables, rule: Mapping[str, Any], others: Mapping[str, Sequence[Any]]) -> Opening:
    first, _, last = rule["ports"].partition("-")
    ports = _ALL if rule["ports"] == "0" else (int(first), int(last or first))
    return Opening(protocol=rule["protocol"], ports=ports, networks=tuple(dict.fromkeys(_networks(tables, others))))


def _networks(tables: Tables, others: Mapping[str, Sequence[Any]]) -> Iterable[IPv4Network]:
    """Load balancers and Kubernetes clusters have no addresses here, and no machine has one of IPv6."""
    named = addresses_of(tables.droplets.values(), map(str, others.get("droplet_ids", ())), others.get("tags", ()))
    for network in (ip_network(text, strict=False) for text in others.get("addresses", ())):
        if isinstance(network, IPv4Network):
            yield network
            # What is in a network has addresses of its own here: whoever admits all of the network means them.
            named += [*members(tables, network), *([PRIVATE_HOST] if within(tables, network) else [])]
    yield from map(IPv4Network, named)
