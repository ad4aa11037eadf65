"""The subcommand `drill`."""

import json
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trellis.operations import records
from trellis.operations.backup import packing, places
from trellis.operations.backup.command import refusals, stacks_place
from trellis.operations.backup.manifest import Manifest
from trellis.operations.backup.places import Place
from trellis.operations.backup.restoring import restore
from trellis.operations.drill import origins, verifying
from trellis.operations.drill.checking import asked
from trellis.operations.drill.origins import Stack, Stood
from trellis.operations.drill.report import Drilled, markdown
from trellis.operations.drill.temporary import Temporary, await_backup, held, ordered, sweep
from trellis.operations.drill.verifying import Check, Sums
from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.project import project
from trellis.operations.terminal import say, tell

if TYPE_CHECKING:
    from trellis.settings.recovery import Objectives

NEWEST = "newest"
# After the moment that is restored to, until the source is read again: what was written before is committed by then.
_SETTLED = 1.0


def run(options: Namespace) -> int:
    """Restores, verifies and measures; returns the exit code."""
    with refusals(), origins.stack(options) as stack:
        if options.sweep:
            for stood in stack.clusters:
                with held(stood.sides[0]):
                    sweep(stack.clouds.digitalocean, stood.origin, tell)
            return 0
        drilled = tuple(_recorded(options, stack, stood) for stood in stack.clusters)
    report = _written(options, drilled)
    good = all(one.ok for one in drilled)
    if options.json:
        told = [one.to_dict() for one in drilled]
        say(json.dumps({"command": "drill", "ok": good, "report": str(report), "clusters": told}))
    else:
        say(markdown(options.stack, drilled))
        tell(f"{report}, and the same as .json")
    return 0 if good else 1


def moment(text: str) -> datetime:
    """A time as people write it; UTC where it names no zone. Raises WrongCall."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise WrongCall(f"{text!r} is no time. Write it like 2026-01-31T19:25:22Z.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _recorded(options: Namespace, stack: Stack, stood: Stood) -> Drilled:
    told: dict[str, Any]
    try:
        drilled = _drill(options, stack, stood)
    except BaseException as error:
        told = {"error": str(error) or type(error).__name__}
        records.append(options.stack, kind="drill", cluster=stood.settings.name, ok=False, **told)
        raise
    told = {key: value for key, value in drilled.to_dict().items() if key not in ("cluster", "ok")}
    records.append(options.stack, kind="drill", cluster=stood.settings.name, ok=drilled.ok, **told)
    return drilled


def _drill(options: Namespace, stack: Stack, stood: Stood) -> Drilled:
    with held(stood.sides[0]) as address:
        sweep(stack.clouds.digitalocean, stood.origin, tell)
        if options.backup:
            return _from_backup(options, stack, stood, address)
        if stood.settings.self_hosted:
            raise WrongCall(f"{stood.settings.name} is self-hosted, and no cloud keeps its past. Give --from {NEWEST}.")
        return _from_the_past(options, stack, stood, address)


def _from_the_past(options: Namespace, stack: Stack, stood: Stood, address: str) -> Drilled:
    """Restores to a moment: one that is named, or this one, whose rows can be compared."""
    api, sides = stack.clouds.digitalocean, stood.sides
    await_backup(api, stood.origin, tell)
    before: dict[str, Sums] = {}
    if options.at:
        wanted = moment(options.at)
    else:
        tell(f"{stood.settings.name}: counting and summing the source")
        before = {side.database: verifying.sums(side) for side in sides}
        wanted = verifying.now(sides[0])
        time.sleep(_SETTLED)
    began, clock = datetime.now(UTC), time.monotonic()
    back = {"database_name": stood.origin.name, "backup_created_at": wanted.astimezone(UTC).isoformat()}
    with ordered(api, stood.origin, address, back, tell) as made:
        after = {side.database: verifying.sums(side) for side in sides} if before else {}
        made.wait()
        tell(f"{made.name}: online")
        checks: list[Check] = []
        missing: list[float | None] = []
        for database, source in zip(stood.databases, sides, strict=True):
            side = made.side(source.database, private=stack.private)
            there = verifying.sums(side)
            rows = (
                verifying.rows_between(database.name, before[source.database], after[source.database], there)
                if before
                else verifying.rows_then(database.name, there)
            )
            checks += [rows, verifying.schema(database, source, side), verifying.history(database, side)]
            newest, last = verifying.newest(source, wanted), verifying.newest(side, wanted)
            gap = (newest - last).total_seconds() if newest and last else None
            # Rows that are the same as at the moment tell more than the time of the last of them.
            missing.append(0.0 if before and rows.ok else None if gap is None else max(0.0, gap))
        checks += asked(stack.settings, stood.settings, partial(made.as_login, private=stack.private))
        rto = time.monotonic() - clock
    objectives = stack.settings.objectives
    return Drilled(
        cluster=stood.settings.name,
        temporary=made.name,
        source=f"{stood.origin.name} at {wanted.isoformat()}",
        began=began,
        wanted=wanted,
        rto=rto,
        rpo=None if None in missing else max(one for one in missing if one is not None),
        objective_rto=objectives.rto if objectives else None,
        objective_rpo=objectives.rpo if objectives else None,
        checks=tuple(checks),
    )


def _from_backup(options: Namespace, stack: Stack, stood: Stood, address: str) -> Drilled:
    """Restores dumps into a cluster that begins empty. What may be missing is the dumps' age."""
    identities = packing.identities(options.identity)
    place, backup = found(options, stack)
    dumps = [one for one in backup.dumps if one.cluster == stood.settings.name]
    if not dumps:
        raise OperationError(f"{place.where}/{backup.name} holds nothing of {stood.settings.name}.")
    began, clock = datetime.now(UTC), time.monotonic()
    wanted = min(datetime.fromisoformat(one.at) for one in dumps)
    checks: list[Check] = []
    with ExitStack() as opened:
        made: Temporary = opened.enter_context(ordered(stack.clouds.digitalocean, stood.origin, address, None, tell))
        files = {one.name: opened.enter_context(place.file(backup.name, *one.files)) for one in dumps}
        made.wait()
        tell(f"{made.name}: online")
        for database, source in zip(stood.databases, stood.sides, strict=True):
            for dump in (one for one in dumps if one.name == database.name):
                made.add_database(dump.database)
                side = made.side(dump.database, private=stack.private)
                restored = restore(dump, files[dump.name], side, identities, tell)
                for lack in restored.lacks:
                    tell(f"warning: {lack}")
                checks += [
                    verifying.rows_of_dump(database.name, dump.tables, restored.differs),
                    verifying.schema(database, source, side),
                    verifying.history(database, side),
                ]
        checks += asked(stack.settings, stood.settings, partial(made.as_login, private=stack.private))
        rto = time.monotonic() - clock
    missing = sorted({one.name for one in stood.databases} - {one.name for one in dumps})
    checks += [Check(database=name, what="dump", ok=False, found="is not in this backup") for name in missing]
    rto_wanted, rpo_wanted = _outage(stack.settings.objectives)
    return Drilled(
        cluster=stood.settings.name,
        temporary=made.name,
        source=f"{place.where}/{backup.name}",
        began=began,
        wanted=wanted,
        rto=rto,
        rpo=(began - wanted).total_seconds(),
        objective_rto=rto_wanted,
        objective_rpo=rpo_wanted,
        checks=tuple(checks),
    )


def found(options: Namespace, stack: Stack) -> tuple[Place, Manifest]:
    """The backup that --from names: the newest one of the stack's, or another. Raises OperationError without one."""
    if options.backup == NEWEST:
        options.to = None
        place = stacks_place(options, stack.settings, stack.engine)
        return place, places.newest(place)
    backups = stack.settings.backups
    region = (backups.region if backups else None) or stack.settings.region
    return places.found(options.backup, region, stack.clouds.config)


def _outage(objectives: "Objectives | None") -> tuple[timedelta | None, timedelta | None]:
    if objectives is None:
        return None, None
    promised = objectives.outage or objectives
    return promised.rto, promised.rpo


def _written(options: Namespace, drilled: Sequence[Drilled]) -> Path:
    """Leaves the report, as Markdown and as JSON beside it; gives the Markdown's path."""
    named = f"{min(one.began for one in drilled):%Y%m%dT%H%M%SZ}.md"
    file: Path = options.output or project() / ".trellis" / "drills" / options.stack / named
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(markdown(options.stack, tuple(drilled)))
    file.with_suffix(".json").write_text(json.dumps([one.to_dict() for one in drilled], indent=1))
    return file
