"""The schema of a database, brought up to date after the deployment. The one place where Pulumi meets the migrator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi import dynamic

from components.endpoint import SSLMODE, Server
from migrator import MigrationFile

# Raise it when the code of the provider below changes: a stack then updates the copy of it that its state holds.
PROVIDER_VERSION = "2"


class _MigrationsProvider(dynamic.ResourceProvider):
    """Hands the resource's inputs over to the migrator.

    Pulumi pickles this class into the stack's state, so it holds no logic and imports inside its methods. Outputs
    are facts about the schema, never a way to reach it.
    """

    serialize_as_secret_always = False

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        applied = _olds.get("files", {})
        pending = sorted(name for name, checksum in news["files"].items() if applied.get(name) != checksum)
        return dynamic.CheckResult({**news, "pending": pending}, [])

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        watched = ("files", "placeholders", "target", "provider_version")
        return dynamic.DiffResult(changes=any(_olds.get(name) != _news.get(name) for name in watched))

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult(f"{props['cluster']}/{props['database']}", self._migrate(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        return dynamic.UpdateResult(self._migrate(_news))

    def _migrate(self, props: dict[str, Any]) -> dict[str, Any]:
        import sys
        from pathlib import Path
        from tempfile import TemporaryDirectory

        from migrator import MigrationError, Options, Target, migrate

        with TemporaryDirectory() as folder:
            authority = Path(folder, "ca.crt")
            authority.write_text(props["ca_certificate"])
            target = Target(
                {
                    "host": props["host"],
                    "port": int(props["port"]),
                    "user": props["user"],
                    "password": props["password"],
                    "dbname": props["database"],
                    "sslmode": props["sslmode"],
                    "sslrootcert": str(authority),
                    "connect_timeout": 15,
                },
                table=props["table"],
            )
            try:
                options = Options(baseline_version=props["baseline_version"] or None)
                report = migrate(target, Path(props["folder"]), props["placeholders"], options)
            except MigrationError as error:
                # The message is for the person at the keyboard; the frames above it are not.
                sys.tracebacklimit = 0
                raise RuntimeError(str(error)) from None
        kept = ("files", "placeholders", "target", "provider_version")
        return {**{name: props[name] for name in kept}, "report": report.to_dict()}


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

    folder: of the SQL, relative to the program. files: what `migrator.discover` found there.
    placeholders: name -> value in the SQL.
    private: whether this machine is inside the VPC. after: what has to stand first.
    """

    server: Server
    database: str
    folder: Path
    files: Sequence[MigrationFile]
    placeholders: Mapping[str, str]
    private: bool
    after: Sequence[pulumi.Resource]
    history: History = MIGRATIONS


class _Migrated(dynamic.Resource, module="migrations", name="Migrations"):
    report: pulumi.Output[Mapping[str, Any]]


class Migrations(pulumi.ComponentResource):
    """Applies the pending files of one database. A preview lists them by name under `pending`.

    A destroy leaves the schema alone.
    """

    report: pulumi.Output[Mapping[str, Any]]

    def __init__(self, name: str, args: MigrationsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:database:Migrations", name, None, opts)
        server, database = args.server, args.server.databases[args.database]
        made = _Migrated(
            _MigrationsProvider(),
            name,
            {
                "provider_version": PROVIDER_VERSION,
                "folder": args.folder.as_posix(),
                "files": {file.script: str(file.checksum) for file in args.files},
                "placeholders": dict(args.placeholders),
                "table": args.history.table,
                "baseline_version": args.history.baseline_version,
                "cluster": server.name,
                "database": database,
                # A replaced cluster keeps its name, and its databases are empty: the id tells.
                "target": pulumi.Output.concat(server.id, "/", database),
                "host": server.endpoint.private_host if args.private else server.endpoint.public_host,
                "port": server.endpoint.port,
                "user": server.admin.user,
                "password": pulumi.Output.secret(server.admin.password),
                "sslmode": SSLMODE,
                "ca_certificate": server.ca_certificate,
                "report": None,
            },
            pulumi.ResourceOptions(parent=self, depends_on=args.after),
        )
        self.report = made.report
        self.register_outputs({"report": self.report})
