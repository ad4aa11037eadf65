"""Where a server answers and the URI that leads there."""

from dataclasses import dataclass
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
