"""Trusted sources as the host-based access rules of PostgreSQL and PgBouncer.

TCP is for clients alone, and every TCP rule is `hostssl`: without TLS there is no matching rule. The platform's own
connections come over the UNIX socket, so that a local client's address is admitted only when it is on the list.
"""

import ipaddress
from collections.abc import Sequence

from localcloud.servers.errors import InvalidRequest
from localcloud.servers.specs import PoolSpec

SUPERUSER = "postgres"
REPLICATION_USER = "_replication"
CONSOLE_USER = "_console"
CONSOLE = "pgbouncer"
"""The database name under which PgBouncer offers its administration console."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

EVERYONE: tuple[Network, ...] = (ipaddress.ip_network("0.0.0.0/0"),)


def networks(sources: Sequence[str]) -> tuple[Network, ...]:
    """The ranges that are admitted; none listed means everyone, as on DigitalOcean. Raises InvalidRequest."""
    try:
        return tuple(ipaddress.ip_network(source, strict=False) for source in sources) or EVERYONE
    except ValueError as error:
        raise InvalidRequest(
            f"A trusted source is an address or a CIDR range, such as 10.0.0.0/16: {error}. Nothing was changed."
        ) from error


def admits(allowed: Sequence[Network], address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return any(address in network for network in allowed)


def server_rules(sources: Sequence[str]) -> str:
    """pg_hba.conf of a primary or a replica."""
    lines = [
        f"local  replication  {REPLICATION_USER}  scram-sha-256",
        f"local  all  {REPLICATION_USER}  reject",
        "local  all  all  scram-sha-256",
        f"host  all  {SUPERUSER},{REPLICATION_USER}  all  reject",
        *(f"hostssl  all  all  {network}  scram-sha-256" for network in networks(sources)),
    ]
    return "".join(f"{line}\n" for line in lines)


def pooler_rules(sources: Sequence[str], pools: Sequence[PoolSpec]) -> str:
    """PgBouncer's HBA file: a pool that names a user admits that user alone."""
    allowed = networks(sources)
    lines = [f'local  "{CONSOLE}"  "{CONSOLE_USER}"  scram-sha-256', f'host  "{CONSOLE}"  all  0.0.0.0/0  reject']
    for pool in pools:
        user = "all" if pool.user is None else f'"{pool.user}"'
        lines += [f'hostssl  "{pool.name}"  {user}  {network}  scram-sha-256' for network in allowed]
        lines.append(f'host  "{pool.name}"  all  0.0.0.0/0  reject')
    # No such pool: a client from a trusted source is told so once its password is right.
    lines += [f"hostssl  all  all  {network}  scram-sha-256" for network in allowed]
    return "".join(f"{line}\n" for line in lines)
