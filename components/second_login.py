"""The login that takes turns with a role, so that a password can change while the other one serves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi import dynamic

from trellis.fingerprint import fingerprint
from trellis.providers.membership import MembershipProvider
from trellis.settings.resolved import LoginSettings, second_login

from .endpoint import Login, Server, administration
from .migrations import Migrations


@dataclass(frozen=True, kw_only=True)
class MembershipArgs:
    """role: a user of the cluster. login: another one, which becomes a login of that role.

    database: the one to come in by; of a self-hosted server the one with its tables, which is none of the cluster's.
    migrations: those of the cluster's databases, which may set something for the role. private: whether this machine is
    inside the VPC. after: what has to stand first.
    """

    cluster: Server
    database: str
    role: str
    login: str
    migrations: Mapping[str, Migrations] = field(default_factory=dict)
    private: bool = False
    after: Sequence[pulumi.Resource] = ()


class Membership(dynamic.Resource, module="login", name="Membership"):
    """Makes a login act as a role from its first statement on, with the role's grants and settings. It owns nothing."""

    login: pulumi.Output[str]

    def __init__(self, name: str, args: MembershipArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        cluster = args.cluster
        props: dict[str, Any] = {
            "provider_version": MembershipProvider.version,
            "target": cluster.id,
            "role": cluster.users[args.role].user,
            "login": cluster.users[args.login].user,
            "logins": {
                login: pulumi.Output.unsecret(cluster.users[login].password.apply(fingerprint))
                for login in (args.role, args.login)
            },
            "schemas": {
                name: migrated.report.apply(lambda report: (report or {}).get("restore_time"))
                for name, migrated in args.migrations.items()
            },
            **administration(cluster, cluster.databases.get(args.database, args.database), private=args.private),
        }
        after = pulumi.ResourceOptions(depends_on=args.after)
        super().__init__(MembershipProvider(), name, props, pulumi.ResourceOptions.merge(opts, after))


def serving_logins(
    named: str,
    cluster: Server,
    database: str,
    logins: Mapping[str, LoginSettings],
    migrations: Mapping[str, Migrations],
    *,
    private: bool,
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> Mapping[str, Login]:
    """Role -> the login by which clients come in as it. Who uses a second one waits until it is a login of the role.

    named: begins the names of what is made. database: the one to come in by. after: what has to stand first.
    """
    serving = dict(cluster.users)
    for role, pair in logins.items():
        login = second_login(role)
        args = MembershipArgs(
            cluster=cluster,
            database=database,
            role=role,
            login=login,
            migrations=migrations,
            private=private,
            after=after,
        )
        made = Membership(f"{named}-{login}-membership", args, opts)
        if pair.serving == login:
            serving[role] = Login(user=made.login, password=cluster.users[login].password)
    return serving
