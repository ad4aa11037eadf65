"""The schemas of a cluster's databases, and the test data in them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi

from trellis.migrator import MigrationFile
from trellis.settings.resolved import DatabaseSettings

from .endpoint import Server
from .migrations import MIGRATIONS, TEST_DATA, Migrations, MigrationsArgs
from .reviewer import Reviewer

Files = Mapping[Path, Sequence[MigrationFile]]


def migrated(
    cluster: str,
    databases: Sequence[DatabaseSettings],
    server: Server,
    files: Files,
    root: Path,
    reviewers: Mapping[str, Reviewer],
    *,
    private: bool,
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> Mapping[str, Migrations]:
    """Migrates the databases side by side, and puts its test data in where that is asked for.

    cluster: begins the names of what is made. files: folder of SQL -> what it holds, where it was read before.
    root: the folder of the program. reviewers: who may read each database's history. after: what has to stand first.
    Returns the migrations by database.
    """
    made: dict[str, Migrations] = {}
    for database in databases:
        before = after
        for folder, history in ((database.migrations, MIGRATIONS), (database.seeds, TEST_DATA)):
            if folder is None:
                continue
            applied = Migrations(
                f"{cluster}-{database.name}-{'migrations' if history is MIGRATIONS else 'test-data'}",
                MigrationsArgs(
                    server=server,
                    database=database.name,
                    folder=folder.relative_to(root),
                    files=files.get(folder),
                    placeholders=database.roles,
                    # Test data grants nothing.
                    roles=sorted(set(database.roles.values())) if history is MIGRATIONS else (),
                    reviewer=reviewers.get(database.name) if history is MIGRATIONS else None,
                    private=private,
                    after=before,
                    history=history,
                ),
                opts,
            )
            made.setdefault(database.name, applied)
            before = [*before, applied]
    return made
