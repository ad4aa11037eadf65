"""Users, databases, pools and sizes of a self-hosted server: what DigitalOcean's API makes on a managed one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pulumi
from pulumi import dynamic

from trellis.providers.contents import ContentsProvider
from trellis.settings import Plan, PoolSettings
from trellis.settings.resolved import LoginSettings

from ..endpoint import SSLMODE, Endpoint, Login

# States of before hold the provider by this module and this name, and load it from here to refresh and to destroy.
_ContentsProvider = ContentsProvider


@dataclass(frozen=True, kw_only=True)
class ContentsArgs:
    """What the server is to hold.

    server: id of the volume; another one means empty databases. machine: id of the Droplet; a new one is waited for.
    plan: the Droplet's figures. databases: their names. sources: IPv4 ranges that may connect.
    users: every login with its password. logins: user -> the two that take turns for it, where there are two.
    ca_certificate, ca_key: the outputs of its authority.
    private: whether this machine is inside the VPC.
    """

    plan: Plan
    server: pulumi.Input[str]
    machine: pulumi.Input[str]
    endpoint: Endpoint
    pool_port: int
    admin: Login
    users: Mapping[str, Login]
    databases: Sequence[str]
    pools: Sequence[PoolSettings]
    logins: Mapping[str, LoginSettings]
    sources: Sequence[pulumi.Input[str]]
    ca_certificate: pulumi.Input[str]
    ca_key: pulumi.Input[str]
    private: bool = False


class Contents(dynamic.Resource, module="server", name="Contents"):
    """Waits until the server answers, then creates its users, databases and pools, and waits for each pool.

    Renews the server's certificate when it is time.

    Nothing is ever dropped: a user, a database or a pool that is taken out of the system file stays on the server.
    """

    def __init__(self, name: str, args: ContentsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        endpoint = args.endpoint
        props: dict[str, Any] = {
            "provider_version": ContentsProvider.version,
            "server": args.server,
            "machine": args.machine,
            "host": endpoint.private_host if args.private else endpoint.public_host,
            "port": endpoint.port,
            "pool_port": args.pool_port,
            "sslmode": SSLMODE,
            "addresses": [endpoint.private_host, endpoint.public_host],
            "ca_certificate": args.ca_certificate,
            "ca_key": pulumi.Output.secret(args.ca_key),
            "admin": args.admin.user,
            "password": pulumi.Output.secret(args.admin.password),
            "passwords": pulumi.Output.secret({user: login.password for user, login in args.users.items()}),
            "databases": list(args.databases),
            "pools": [{**asdict(pool), "mode": pool.mode.value} for pool in args.pools],
            # A state of before has none.
            **({"logins": {role: pair.admitted for role, pair in args.logins.items()}} if args.logins else {}),
            "sources": list(args.sources),
            "sizes": _sizes(args.plan),
            "users": None,
            "renewal": None,
        }
        super().__init__(ContentsProvider(), name, props, opts)


def _sizes(plan: Plan) -> dict[str, str]:
    memory_mib = plan.memory_gib * 1024
    reserved = 3
    return {
        # The figures that DigitalOcean gives a server of this memory, so that a budget fits in both modes.
        "max_connections": str(plan.connections + reserved),
        "superuser_reserved_connections": str(reserved),
        "shared_buffers": f"{memory_mib // 4}MB",
        "effective_cache_size": f"{memory_mib * 3 // 4}MB",
    }
