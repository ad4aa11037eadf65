"""What is asked of a cluster: plain frozen data, no behaviour."""

from dataclasses import dataclass, field
from typing import Literal

PoolMode = Literal["session", "transaction", "statement"]


@dataclass(frozen=True, kw_only=True)
class ClusterSpec:
    """A managed cluster to create.

    id: identifier shown in `cluster_name` and in errors.
    version: PostgreSQL major version, for example "17"; one of `Tools.majors()`.
    max_connections: the server's `max_connections`; three of them are reserved for the platform, as on DigitalOcean
        (25 gives 22 usable).
    public_host, private_host: the two loopback addresses both servers listen on.
    admin_user: the login that owns the databases; powerful, not a superuser.
    admin_password: its first password. It is not kept in the cluster's folder: the server keeps a SCRAM verifier.
    default_database: made with the cluster, owned by `admin_user`.
    ports: of PostgreSQL and of PgBouncer; chosen when the cluster is made unless they are given.
    """

    id: str
    version: str
    max_connections: int
    admin_password: str = field(repr=False)
    public_host: str = "127.0.0.1"
    private_host: str = "127.0.0.2"
    admin_user: str = "doadmin"
    default_database: str = "defaultdb"
    ports: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class PoolSpec:
    """One PgBouncer pool, addressed by clients as a database called `name`.

    user: the only user admitted; None admits every user of the cluster, each as itself.
    size: the most server connections the pool opens, over all its users.
    """

    name: str
    database: str
    user: str | None
    mode: PoolMode
    size: int
