"""Where a server answers and the URI that leads there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import pulumi

SSLMODE = "verify-full"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A host inside the VPC, a host on the internet and the port both answer on."""

    private_host: pulumi.Output[str]
    public_host: pulumi.Output[str]
    port: pulumi.Output[int]


@dataclass(frozen=True, kw_only=True)
class Login:
    """A user of a cluster. The password is a secret output."""

    user: pulumi.Output[str]
    password: pulumi.Output[str]


class Server(Protocol):
    """A PostgreSQL server with databases and users, whoever runs it.

    id: another one means another server, with empty databases. databases: name -> the name as an output of what made
    it. members: what has to stand before anybody works with them.
    """

    id: pulumi.Output[str]
    name: pulumi.Output[str]
    endpoint: Endpoint
    admin: Login
    ca_certificate: pulumi.Output[str]
    databases: Mapping[str, pulumi.Output[str]]
    users: Mapping[str, Login]
    members: Sequence[pulumi.Resource]


def administration(server: Server, database: pulumi.Input[str], *, private: bool) -> dict[str, Any]:
    """The inputs by which a dynamic provider comes in as the administrator. private: whether this machine is inside."""
    endpoint = server.endpoint
    return {
        "database": database,
        "host": endpoint.private_host if private else endpoint.public_host,
        "port": endpoint.port,
        "user": server.admin.user,
        "password": pulumi.Output.secret(server.admin.password),
        "sslmode": SSLMODE,
        "ca_certificate": server.ca_certificate,
    }


def postgresql_uri(
    endpoint: Endpoint, login: Login, database: pulumi.Input[str], *, private: bool
) -> pulumi.Output[str]:
    """A secret libpq URI that verifies the server; the client names the CA with `sslrootcert`."""
    host = endpoint.private_host if private else endpoint.public_host
    return pulumi.Output.secret(
        pulumi.Output.all(host, endpoint.port, login.user, login.password, database).apply(
            lambda part: (
                f"postgresql://{quote(part[2], safe='')}:{quote(part[3], safe='')}"
                f"@{part[0]}:{int(part[1])}/{quote(part[4], safe='')}?sslmode={SSLMODE}"
            )
        )
    )


def administrator_uris(server: Server, *, private: bool) -> dict[str, pulumi.Output[str]]:
    """Each database -> the administrator's URI to it."""
    return {
        database: postgresql_uri(server.endpoint, server.admin, made, private=private)
        for database, made in server.databases.items()
    }
