"""The subcommand `rescue`."""

import json
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from trellis.operations.backup import packing
from trellis.operations.backup.command import refusals
from trellis.operations.backup.elsewhere import chosen
from trellis.operations.backup.restoring import restore
from trellis.operations.drill import origins
from trellis.operations.drill.command import found, moment
from trellis.operations.drill.origins import Stack, Stood
from trellis.operations.drill.temporary import held, ordered, sweep
from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.move.sides import Side
from trellis.operations.rescue import rows, tables
from trellis.operations.rescue.rows import Lost, Rescued
from trellis.operations.terminal import confirm, say, tell


def run(options: Namespace) -> int:
    """Shows what is lost, and puts it back; returns the exit code."""
    with refusals(), origins.stack(options) as stack:
        stood, source = _database(stack, options.database)
        with source.connect() as now:
            wanted = tables.named(now, options.tables)
        with _past(options, stack, stood, source) as past, past.connect() as then, source.connect() as now:
            lost = [rows.find(number, table, then, now, options.where) for number, table in enumerate(wanted)]
            if not options.json:
                _show(lost, changed=options.changed)
            if options.dry_run or not any(one.missing or (options.changed and one.changed) for one in lost):
                rescued: list[Rescued] = []
            else:
                _ask(options, lost)
                with now.transaction():
                    rescued = [rows.put_back(one, then, now, options.where, changed=options.changed) for one in lost]
    if options.json:
        told = {one.table.name: {"missing": one.missing, "changed": one.changed, "sample": one.sample} for one in lost}
        say(json.dumps({"command": "rescue", "ok": True, "lost": told, "rescued": [asdict(one) for one in rescued]}))
    for one in () if options.json else rescued:
        _tell(one)
    return 0


def _database(stack: Stack, name: str | None) -> tuple[Stood, Side]:
    known = [(stood, side) for stood in stack.clusters for side in stood.sides]
    meant = [(stood, side) for stood, side in known if name in (None, side.name, side.database)]
    if len(meant) != 1:
        raise WrongCall(f"Say with --database which one: {', '.join(side.name for _, side in known)}.")
    return meant[0]


@contextmanager
def _past(options: Namespace, stack: Stack, stood: Stood, source: Side) -> Iterator[Side]:
    """The database as it was, in a temporary cluster."""
    api = stack.clouds.digitalocean
    with held(source) as address:
        sweep(api, stood.origin, tell)
        if options.backup:
            place, backup = found(options, stack)
            dump = chosen(backup, source.name)
            identities = packing.identities(options.identity)
            with place.file(backup.name, *dump.files) as file, ordered(api, stood.origin, address, None, tell) as made:
                made.wait()
                made.add_database(source.database)
                side = made.side(source.database, private=stack.private)
                restore(dump, file, side, identities, tell)
                yield side
            return
        if stood.settings.self_hosted:
            raise WrongCall(f"{stood.settings.name} is self-hosted, and no cloud keeps its past. Give --from newest.")
        back = {"database_name": stood.origin.name, "backup_created_at": moment(options.at).isoformat()}
        with ordered(api, stood.origin, address, back, tell) as made:
            made.wait()
            tell(f"{made.name}: online")
            yield made.side(source.database, private=stack.private)


def _ask(options: Namespace, lost: Sequence[Lost]) -> None:
    count = sum(one.missing + (one.changed if options.changed else 0) for one in lost)
    if not options.yes and not confirm(f"Put {count:,} rows back, in one transaction?"):
        raise OperationError("Nothing was put back. Say --yes where nobody can be asked.")


def _show(lost: Sequence[Lost], *, changed: bool) -> None:
    for one in lost:
        name = one.table.name
        say(f"{name}: {one.missing:,} rows were there and are not now; {one.changed:,} differ")
        for row in one.sample:
            say(f"  {json.dumps(row, ensure_ascii=False)}")
        if one.missing > len(one.sample):
            say(f"  and {one.missing - len(one.sample):,} more")
        if one.changed and not changed:
            say("  Those that differ stay as they are now. --changed would set them back, later writes with them.")
        for column in one.left_out:
            say(f"  {column} is not the same column then and now, and is left out")
        events = {"INSERT"} | ({"UPDATE"} if changed else set())
        for trigger, event in one.table.triggers:
            if event in events:
                say(f"  the trigger {trigger} fires for each {event}")
        for child in sorted(one.table.cascades - {other.table.name for other in lost}):
            say(f"  rows of {child} went with those of {name} that were deleted: --table brings them back too")


def _tell(one: Rescued) -> None:
    say(f"{one.table}: {one.inserted:,} rows are back, {one.updated:,} are as they were")
    if one.in_the_way:
        say(f"  {one.in_the_way:,} are not: other rows have taken their unique keys since, and stay")
    if one.moved_on:
        say(f"  {one.moved_on:,} were written to meanwhile, and stay")
    if one.altered:
        say(f"  {one.altered:,} were changed by a trigger on their way")
