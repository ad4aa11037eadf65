"""The subcommand `backup`."""

import json
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from trellis.migrator import Options
from trellis.operations import plans, records
from trellis.operations.arguments import WHOLE_STACK
from trellis.operations.backup import manifest, packing
from trellis.operations.backup.dumping import dump
from trellis.operations.backup.manifest import Manifest
from trellis.operations.backup.places import Folder, Place, Spaces, place
from trellis.operations.backup.retention import surplus
from trellis.operations.databases import Database, settings_of, standing
from trellis.operations.engine import Engine, engine_of
from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.move.sides import Side
from trellis.operations.project import project
from trellis.operations.terminal import say, tell
from trellis.operations.versions import own

if TYPE_CHECKING:
    from trellis.settings import Settings

_MIB = 1 << 20


def run(options: Namespace) -> int:
    """Makes a backup of every database of a stack; returns the exit code."""
    if options.new_key:
        with refusals():
            public = packing.new_key(options.new_key)
        say(f"{options.new_key} holds a new secret key: keep it where no cloud of yours is. Its public key, for")
        say(f"backups.recipients of the system file: {public}")
        return 0
    engine = engine_of(options.stack, options.config_file)
    settings = settings_of(engine, options)
    with refusals():
        to = stacks_place(options, settings, engine)
        recipients = (*(settings.backups.recipients if settings.backups else ()), *options.recipients)
        made, deleted = back_up(options, settings, to, recipients)
    if options.json:
        told = {"to": to.where, "name": made.name, "deleted": deleted, "dumps": [asdict(one) for one in made.dumps]}
        say(json.dumps({"command": "backup", "ok": True, **told}))
    else:
        for one in made.dumps:
            say(f"{one.name}: {len(one.tables)} tables, {one.rows:,} rows, {one.bytes / _MIB:.1f} MiB, as of {one.at}")
        say(f"{to.where}/{made.name}")
        for name in deleted:
            say(f"deleted: {to.where}/{name}")
    return 0


def before_migrations(stack: str, config_file: Path | None, databases: Sequence[Database], how: Options) -> None:
    """Makes a backup of a stack where a migration is pending in one of these databases.

    Raises OperationError where it cannot be made.
    """
    if not any(plans.pending(database, how).pending for database in databases):
        return
    options = Namespace(stack=stack, config_file=config_file, to=None, recipients=[], **WHOLE_STACK)
    engine = engine_of(stack, config_file)
    settings = settings_of(engine, options)
    with refusals():
        to = stacks_place(options, settings, engine)
        recipients = settings.backups.recipients if settings.backups else ()
        made, _ = back_up(options, settings, to, recipients)
    tell(f"Backup before the migrations: {to.where}/{made.name}")


def stacks_place(options: Namespace, settings: "Settings", engine: Engine) -> Place:
    """Where the stack's backups go: what --to names, else the system file. Raises WrongCall where neither does."""
    backups = settings.backups
    region = (backups.region if backups else None) or settings.region
    return place(_named(options.to, settings), options.stack, region, engine.configuration())


def _named(to: str | None, settings: "Settings") -> str:
    declared = settings.backups.to if settings.backups else None
    if to == "spaces":
        if declared is None or not declared.startswith("spaces://"):
            raise WrongCall("--to spaces means the bucket that backups.to of the system file names, and it names none.")
        return declared
    if to is None and declared is None:
        raise WrongCall("Where to? Give --to FOLDER, or name a place with backups.to in the system file.")
    return str(to or declared)


def back_up(
    options: Namespace, settings: "Settings", to: Place, recipients: Sequence[str]
) -> tuple[Manifest, list[str]]:
    """Makes a backup and records it; gives it, and the names of those that were deleted for their age.

    Raises OperationError where it could not be made, which is recorded too.
    """
    began = time.monotonic()
    if not recipients:
        tell("warning: this backup is not encrypted. `trellis backup --new-key FILE` makes a key for it.")
    clusters = [cluster.name for cluster in settings.clusters]
    try:
        made = _made(options, to, recipients)
    except Exception as error:
        for cluster in clusters:
            records.append(options.stack, kind="backup", cluster=cluster, ok=False, to=to.where, error=str(error))
        raise
    for cluster in clusters:
        dumps = [one for one in made.dumps if one.cluster == cluster]
        records.append(
            options.stack,
            kind="backup",
            cluster=cluster,
            ok=True,
            to=to.where,
            name=made.name,
            of=min(one.at for one in dumps),
            bytes=sum(one.bytes for one in dumps),
            encrypted=bool(made.recipients),
            seconds=round(time.monotonic() - began, 1),
        )
    return made, _forget(options.stack, settings, to)


def _made(options: Namespace, to: Place, recipients: Sequence[str]) -> Manifest:
    if isinstance(to, Folder):
        return _dumped(options, to, recipients)
    # On its way to Spaces it lies here, so that an upload that is stopped goes on instead of beginning anew.
    here = Folder(project() / ".trellis" / "backups", options.stack)
    for left in here.backups():
        tell(f"{left.name}: an upload that was stopped goes on")
        _sent(here, left, to)
    made = _dumped(options, here, recipients)
    _sent(here, made, to)
    return made


def _sent(here: Folder, made: Manifest, to: Spaces) -> None:
    to.upload(Path(here.where) / made.name, tell)
    here.delete(made.name)


def _dumped(options: Namespace, folder: Folder, recipients: Sequence[str]) -> Manifest:
    name = manifest.named(datetime.now(UTC))
    with standing(options) as (databases, new), folder.made(name) as partial:
        for sources in new:
            tell(f"warning: {sources.name} is not deployed yet, and is not in this backup")
        dumps = tuple(
            dump(side(database), database.target.history_table, partial, recipients, tell) for database in databases
        )
        made = Manifest(stack=options.stack, name=name, trellis=own(), recipients=tuple(recipients), dumps=dumps)
        made.write(partial)
    return made


def side(database: Database) -> Side:
    """A stack's database as one to read."""
    cluster, _, name = database.name.partition("/")
    return Side(cluster=cluster, database=name, target=database.target, peer={})


def _forget(stack: str, settings: "Settings", to: Place) -> list[str]:
    """Deletes what the system does not ask to keep; gives the names."""
    if isinstance(to, Spaces):
        to.give_up()
    if settings.backups is None or settings.backups.keep is None:
        return []
    found = {one.at: one.name for one in to.backups() if one.stack == stack}
    names = [found[at] for at in sorted(surplus(found, settings.backups.keep, datetime.now(UTC)))]
    for name in names:
        to.delete(name)
    return names


@contextmanager
def refusals() -> Iterator[None]:
    """What Spaces or a disk refuse becomes an OperationError. A missing package is told with how to install it."""
    try:
        yield
    except ModuleNotFoundError as missing:
        if missing.name not in ("botocore", "pyrage", "zstandard"):
            raise
        raise OperationError(f"Backups need the package {missing.name}: pip install 'trellis[backup]'.") from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OperationError(f"{error.filename or 'A file'}: {error.strerror or error}.") from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "botocore":
            raise
        raise OperationError(f"Spaces: {error}") from None
