"""The schema of a database, brought up to date after the deployment."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi import dynamic

from trellis.fingerprint import fingerprint
from trellis.migrator import MigrationFile, discover
from trellis.providers.migrations import MigrationsProvider

from .endpoint import Server, administration
from .reviewer import Reviewer

# States of before hold the provider by this module and this name, and load it from here to refresh and to destroy.
_MigrationsProvider = MigrationsProvider


@dataclass(frozen=True, kw_only=True)
class History:
    """A table that records what was applied.

    baseline_version: taken for granted in a schema that has objects and no such table; empty refuses it.
    """

    table: str
    baseline_version: str = ""


MIGRATIONS = History(table="flyway_schema_history")
# Test data starts in the schema that the migrations have made, and its files are no migrations.
TEST_DATA = History(table="seed_history", baseline_version="0")


@dataclass(frozen=True, kw_only=True)
class MigrationsArgs:
    """What to migrate and how to reach it: on the direct port, as the user that owns the schema, never through a pool,
    where session state and advisory locks do not hold.

    folder: of the SQL, relative to the program. files: what `migrator.discover` found there, where it was asked before.
    placeholders: name -> value in the SQL.
    roles: the users that the SQL grants to, and to one that is made anew again; by default those in `placeholders`.
    reviewer: who may read the history; by default nobody but its owner.
    private: whether this machine is inside the VPC. after: what has to stand first. history: where it is recorded.
    """

    server: Server
    database: str
    folder: Path
    files: Sequence[MigrationFile] | None = None
    placeholders: Mapping[str, str] = field(default_factory=dict)
    roles: Collection[str] | None = None
    reviewer: Reviewer | None = None
    private: bool = False
    after: Sequence[pulumi.Resource] = ()
    history: History = MIGRATIONS


class _Migrated(dynamic.Resource, module="migrations", name="Migrations"):
    report: pulumi.Output[Mapping[str, Any]]


class Migrations(pulumi.ComponentResource):
    """Applies the pending files of one database. A preview lists them by name under `files`.

    A destroy leaves the schema alone. Raises MigrationError for a file that cannot be used.
    """

    report: pulumi.Output[Mapping[str, Any]]

    def __init__(self, name: str, args: MigrationsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:database:Migrations", name, None, opts)
        server, database = args.server, args.server.databases[args.database]
        files = discover(args.folder) if args.files is None else args.files
        roles = sorted(server.users.keys() & args.placeholders.values()) if args.roles is None else args.roles
        made = _Migrated(
            MigrationsProvider(),
            name,
            {
                "provider_version": MigrationsProvider.version,
                "folder": args.folder.as_posix(),
                "files": {file.script: str(file.checksum) for file in files},
                "placeholders": dict(args.placeholders),
                "logins": {
                    role: pulumi.Output.unsecret(server.users[role].password.apply(fingerprint)) for role in roles
                },
                **_review(args.reviewer),
                "table": args.history.table,
                "baseline_version": args.history.baseline_version,
                "cluster": server.name,
                # A replaced cluster keeps its name, and its databases are empty: the id tells.
                "target": pulumi.Output.concat(server.id, "/", database),
                **administration(server, database, private=args.private),
                "report": None,
            },
            pulumi.ResourceOptions(parent=self, depends_on=args.after),
        )
        self.report = made.report
        self.register_outputs({"report": self.report})


def _review(reviewer: Reviewer | None) -> dict[str, Any]:
    if reviewer is None:
        return {}
    password = reviewer.login.password
    return {
        "reviewer": reviewer.name,
        "review_login": pulumi.Output.unsecret(password.apply(fingerprint)),
        **({} if reviewer.made else {"review_password": password}),
    }
