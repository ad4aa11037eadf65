"""Private networks: which ranges are allowed, and the default network every region has."""

import ipaddress
import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from localcloud import catalogue
from localcloud.records import User, Vpc, now
from localcloud.state import Tables

PUBLIC_HOST = "127.0.0.1"
PRIVATE_HOST = "127.0.0.2"
"""Where the servers of every cluster listen, whatever its VPC."""

_PRIVATE = tuple(ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_RESERVED = tuple(
    ipaddress.IPv4Network(text) for text in ("10.244.0.0/16", "10.245.0.0/16", "10.246.0.0/24", "10.229.0.0/16")
)
"""DigitalOcean keeps these for itself in every region."""

_DEFAULT_PREFIX = 20
_FIRST_DEFAULT = 100
"""Ranges the cloud picks itself start at 10.100.0.0/20."""


class RangeRefused(ValueError):
    """A range that no network may have. The text says why and what is allowed."""


def check_range(text: str, others: Iterable[Vpc]) -> ipaddress.IPv4Network:
    """The range as a network. Raises RangeRefused: not RFC 1918, wrong size, reserved, or overlapping another VPC."""
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as problem:
        raise RangeRefused(f"ip_range {text}: not an IPv4 range: {problem}. Write it like 10.10.0.0/16.") from problem
    if not any(network.subnet_of(private) for private in _PRIVATE):
        raise RangeRefused(
            f"ip_range {text}: not a private range. Allowed: inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16."
        )
    if not 16 <= network.prefixlen <= 28:
        raise RangeRefused(f"ip_range {text}: the size /{network.prefixlen} is not allowed. Allowed: /16 to /28.")
    for reserved in _RESERVED:
        if network.overlaps(reserved):
            raise RangeRefused(f"ip_range {text}: overlaps {reserved}, which DigitalOcean reserves.")
    for other in others:
        if network.overlaps(ipaddress.IPv4Network(other.ip_range)):
            raise RangeRefused(
                f"ip_range {text}: overlaps {other.ip_range} of the VPC {other.name} ({other.id}, {other.region}). "
                "Choose a range that no other VPC of the account uses."
            )
    return network


def free_range(others: Iterable[Vpc]) -> str:
    """A /20 that no VPC uses."""
    taken = [ipaddress.IPv4Network(other.ip_range) for other in others] + list(_RESERVED)
    for second in (*range(_FIRST_DEFAULT, 256), *range(_FIRST_DEFAULT)):
        candidate = ipaddress.IPv4Network(f"10.{second}.0.0/{_DEFAULT_PREFIX}")
        if not any(candidate.overlaps(network) for network in taken):
            return str(candidate)
    raise RangeRefused("No range is left in 10.0.0.0/8. Delete a VPC, or give an ip_range of another private block.")


def default_vpc(tables: Tables, region: str) -> Vpc:
    """The region's default network, made around the ranges in use when the region had none."""
    for vpc in tables.vpcs.values():
        if vpc.region == region and vpc.default:
            return vpc
    vpc = Vpc(
        id=str(uuid.uuid4()),
        name=f"default-{region}",
        region=region,
        ip_range=free_range(tables.vpcs.values()),
        default=True,
        created_at=now(),
    )
    tables.vpcs[vpc.id] = vpc
    return vpc


def check_region(slug: str) -> str:
    """The slug in lower case. Raises ValueError naming the regions there are."""
    region = slug.lower()
    if region not in catalogue.REGIONS:
        raise ValueError(f"region {slug}: there is no such region. Allowed: {', '.join(catalogue.REGIONS)}.")
    return region


def connection(host: str, port: int, database: str, user: User | None, protocol: str = "postgresql") -> dict[str, Any]:
    """One way in. Without a user, as for a pool that takes any, the URI names none."""
    account = f"{quote(user.name, safe='')}:{quote(user.password, safe='')}@" if user else ""
    path = f"/{quote(database, safe='')}?sslmode=require" if database else ""
    return {
        "protocol": protocol,
        "uri": f"{protocol}://{account}{host}:{port}{path}",
        "database": database,
        "host": host,
        "port": port,
        "user": user.name if user else "",
        "password": user.password if user else "",
        "ssl": True,
    }


def within(tables: Tables, network: ipaddress.IPv4Network) -> set[str]:
    """The ids of the VPCs that lie in a range as a whole."""
    return {id for id, vpc in tables.vpcs.items() if ipaddress.IPv4Network(vpc.ip_range).subnet_of(network)}


def members(tables: Tables, network: ipaddress.IPv4Network) -> list[str]:
    """The private addresses of their Droplets."""
    inside = within(tables, network)
    return [item.private_address for item in tables.droplets.values() if item.vpc_uuid in inside]
