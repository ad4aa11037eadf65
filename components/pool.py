"""A PgBouncer pool in front of a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_digitalocean as digitalocean
from pulumi import dynamic

from trellis.providers.settings import SettingProvider

from .app import AppDatabase
from .cluster import Cluster
from .endpoint import Endpoint, Login, postgresql_uri


@dataclass(frozen=True, kw_only=True)
class PoolArgs:
    """database, login: outputs of the resources that made them, so that a replacement of those carries on here.

    size: server connections. name: the pool's, which its clients name as their database; by default the component's.
    mode: "transaction", "session" or "statement". after: what has to stand first.
    in_turns: whether two logins take turns: then another one is no new pool, and ends no client's connection.
    open_to_all: whether every user of the cluster may come in by the pool, each as itself; else `login` alone may.
    """

    cluster_id: pulumi.Input[str]
    database: pulumi.Input[str]
    login: Login
    size: pulumi.Input[int]
    name: pulumi.Input[str] | None = None
    mode: pulumi.Input[str] = "transaction"
    in_turns: bool = False
    open_to_all: bool = False
    after: Sequence[pulumi.Resource] = ()


class PoolSize(dynamic.Resource, module="pool", name="PoolSize"):
    """Gives a pool that stands another size, or another user: its clients stay, those of the old user until they are
    let in no more. Made where both are the asked ones, it does nothing.

    of: the pool's name in the program.
    """

    of: pulumi.Output[str]

    def __init__(
        self, name: str, of: str, item: pulumi.Output[str], args: PoolArgs, opts: pulumi.ResourceOptions
    ) -> None:
        props = {
            "provider_version": SettingProvider.version,
            "of": of,
            "item": item,
            "root": "pool",
            "method": "PUT",
            "at": "",
            "wanted": {"size": args.size},
            "body": {"mode": args.mode, "db": args.database, "user": "" if args.open_to_all else args.login.user},
        }
        super().__init__(SettingProvider(), name, props, opts)


class Pool(pulumi.ComponentResource):
    """Creates one connection pool.

    DigitalOcean's plugin replaces a pool on every change, though its API has one in place. So a size that changes, and
    a login that takes turns, is a resource of its own, and clients of the pool do not notice. Any other change replaces
    it, a user that is made anew among them: a user goes after the pools that use it. The name stays, so the old one
    goes first and its clients reconnect: for that moment the pool answers "no such database". All pools of a cluster
    answer on the same hosts and port, so whoever uses the pool sees no change in a preview.
    """

    name: pulumi.Output[str]
    endpoint: Endpoint
    login: Login

    def __init__(self, name: str, args: PoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:database:Pool", name, None, opts)
        pool = digitalocean.DatabaseConnectionPool(
            name,
            name=args.name or name,
            cluster_id=args.cluster_id,
            db_name=args.database,
            user=args.login.user,
            mode=args.mode,
            size=args.size,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=args.after,
                delete_before_replace=True,
                ignore_changes=["size", "user"] if args.in_turns else ["size"],
            ),
        )
        item = pulumi.Output.concat("/v2/databases/", args.cluster_id, "/pools/", args.name or name)
        size = PoolSize(f"{name}-size", name, item, args, pulumi.ResourceOptions(parent=self, depends_on=[pool]))
        self.name = pool.name
        self.endpoint = _endpoint(pool, args.cluster_id, args.name or name)
        # Nobody is told of a login before the pool lets it in.
        user = pulumi.Output.all(args.login.user, size.of).apply(lambda known: str(known[0]))
        self.login = Login(user=user, password=args.login.password)
        self._database = args.database
        self.register_outputs(
            {
                "name": self.name,
                "host": self.endpoint.public_host,
                "private_host": self.endpoint.private_host,
                "port": self.endpoint.port,
            }
        )

    def uri(self, *, private: bool = False) -> pulumi.Output[str]:
        """A secret URI of the pool, on its host inside the VPC or on the one outside."""
        return postgresql_uri(self.endpoint, self.login, self.name, private=private)

    def for_app(self, cluster: Cluster, replica: Endpoint | None = None) -> AppDatabase:
        """What an app needs to know to use this pool of that cluster. replica: where it reads, if there is one."""
        return AppDatabase(
            cluster=cluster.name,
            version=cluster.version,
            database=self._database,
            pool=self.name,
            endpoint=self.endpoint,
            login=self.login,
            replica=replica,
        )


def _endpoint(
    pool: digitalocean.DatabaseConnectionPool, cluster_id: pulumi.Input[str], name: pulumi.Input[str]
) -> Endpoint:
    made: pulumi.Output[list[Any]] = pulumi.Output.all(pool.private_host, pool.host, pool.port)

    def current() -> pulumi.Output[list[Any]]:
        """Where the pool that stands today answers; not known where there is none, or where nobody says."""
        found = digitalocean.get_database_connection_pool_output(
            cluster_id=cluster_id, name=name, opts=pulumi.InvokeOutputOptions(parent=pool)
        )
        answers = found.apply(lambda pool: [pool.private_host, pool.host, pool.port]).recover(lambda _error: made)
        # The password among what was found makes all of it a secret; hosts and ports are none.
        return pulumi.Output.unsecret(answers)

    if pulumi.runtime.is_dry_run():
        # To the engine every output of a replacement is unknown, and everything that hangs on one would be a change.
        at = made.apply(lambda known: current() if pulumi.contains_unknowns(known) else known, run_with_unknowns=True)
    else:
        at = made
    return Endpoint(private_host=at[0], public_host=at[1], port=at[2])
