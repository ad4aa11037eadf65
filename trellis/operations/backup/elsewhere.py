"""The subcommand `restore` with a backup: into an empty database of any server."""

import json
from argparse import Namespace
from dataclasses import asdict

from trellis.operations.backup import packing, places
from trellis.operations.backup.command import refusals
from trellis.operations.backup.manifest import Dump, Manifest
from trellis.operations.backup.restoring import restore
from trellis.operations.errors import WrongCall
from trellis.operations.move.sides import Side
from trellis.operations.terminal import say, tell


def run(options: Namespace) -> int:
    """Restores one database of a backup; returns the exit code."""
    from psycopg.conninfo import conninfo_to_dict

    from trellis.migrator import MigrationError, Target

    try:
        target = Target(options.to)
        name = str(conninfo_to_dict(options.to)["dbname"])
    except (MigrationError, KeyError):
        raise WrongCall("--to names a database: postgresql://user@host:port/database") from None
    side = Side(cluster=target.name.partition("/")[0], database=name, target=target, peer={})
    with refusals():
        identities = packing.identities(options.identity)
        place, backup = places.found(options.backup, options.region, {})
        dump = chosen(backup, options.database)
        tell(f"{dump.name} as of {dump.at}, PostgreSQL {dump.server_version}, from {place.where}/{backup.name}")
        with place.file(backup.name, *dump.files) as file:
            restored = restore(dump, file, side, identities, tell)
    if options.json:
        told = {"backup": f"{place.where}/{backup.name}", "database": dump.name, "of": dump.at, **asdict(restored)}
        say(json.dumps({"command": "restore", "ok": not restored.differs, **told}))
    else:
        for lack in restored.lacks:
            tell(f"warning: {lack}")
        for table in restored.differs:
            tell(f"error: {table} is not as it was dumped")
        if not restored.differs:
            say(f"{dump.rows:,} rows in {len(dump.tables)} tables, each as it was at {dump.at}, by checksum.")
            say("Roles have no passwords here yet: ALTER ROLE … PASSWORD gives them one.")
    return 1 if restored.differs else 0


def chosen(backup: Manifest, name: str | None) -> Dump:
    """The dump that a name means. Raises WrongCall where it means none or several."""
    meant = [one for one in backup.dumps if name in (None, one.name, one.database)]
    if len(meant) != 1:
        listed = ", ".join(one.name for one in backup.dumps)
        raise WrongCall(f"Say with --database which one: {listed}.")
    return meant[0]
