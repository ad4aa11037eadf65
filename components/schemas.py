"""The schemas of a cluster's databases, and the test data in them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi

from trellis.migrator import MigrationFile
from trellis.settings import ClusterSettings

from .endpoint import Server
from .migrations import MIGRATIONS, TEST_DATA, Migrations, MigrationsArgs

Files = Mapping[Path, Sequence[MigrationFile]]


def migrated(
    cluster: ClusterSettings,
    server: Server,
    files: Files,
    root: Path,
    *,
    private: bool,
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> Mapping[str, Migrations]:
    """Migrates every database of the cluster side by side, and puts its test data in where that is asked for.

    files: folder of SQL -> what it holds. root: the folder of the program. after: what has to stand first.
    Returns the migrations by database.
    """
    made: dict[str, Migrations] = {}
    for database in cluster.databases:
        before = after
        for folder, history in ((database.migrations, MIGRATIONS), (database.seeds, TEST_DATA)):
            if folder is None:
                continue
            applied = Migrations(
                f"{cluster.name}-{database.name}-{'migrations' if history is MIGRATIONS else 'test-data'}",
                MigrationsArgs(
                    server=server,
                    database=database.name,
                    folder=folder.relative_to(root),
                    files=files[folder],
                    placeholders=database.roles,
                    # Test data grants nothing.
                    roles=sorted(set(database.roles.values())) if history is MIGRATIONS else (),
                    private=private,
                    after=before,
                    history=history,
                ),
                opts,
            )
            made.setdefault(database.name, applied)
            before = [*before, applied]
    return made
