"""A PgBouncer pool in front of a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from trellis.settings import PoolSettings

from .endpoint import Endpoint, Login


@dataclass(frozen=True, kw_only=True)
class PoolArgs:
    """database, login: outputs of the resources that made them, so that a replacement of those carries on here.

    after: what has to stand first.
    """

    pool: PoolSettings
    cluster_id: pulumi.Input[str]
    database: pulumi.Input[str]
    login: Login
    after: Sequence[pulumi.Resource]


class Pool(pulumi.ComponentResource):
    """Creates one connection pool.

    DigitalOcean's plugin replaces a pool on every change. The name stays, so the old one goes first and its clients
    reconnect: for that moment the pool answers "no such database".
    """

    name: pulumi.Output[str]
    endpoint: Endpoint
    login: Login

    def __init__(self, name: str, args: PoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:database:Pool", name, None, opts)
        pool = digitalocean.DatabaseConnectionPool(
            name,
            name=args.pool.name,
            cluster_id=args.cluster_id,
            db_name=args.database,
            user=args.login.user,
            mode=args.pool.mode.value,
            size=args.pool.size,
            opts=pulumi.ResourceOptions(parent=self, depends_on=args.after, delete_before_replace=True),
        )
        self.name = pool.name
        self.endpoint = Endpoint(private_host=pool.private_host, public_host=pool.host, port=pool.port)
        self.login = args.login
        self.register_outputs({"name": self.name})
