"""The subcommand `restore`: a cluster as it was at a second of the past, beside the one of today, and in its place.

It is a move whose source is the past. No stream leads from one to the other: each has what was written to it alone.
"""

from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime

from trellis.operations.backup import elsewhere
from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.move import fences
from trellis.operations.move.sides import Connection, Pair
from trellis.operations.move.stands import Stack, Stands
from trellis.operations.terminal import say

_FORM = "2026-01-31T19:25:22Z"


def run(options: Namespace) -> int:
    """Carries one step out, or puts a backup where --to says; returns the exit code."""
    if options.backup or options.to:
        if options.action or options.at or not (options.backup and options.to):
            raise WrongCall("A backup is restored with --from and --to, without a step and without --at.")
        return elsewhere.run(options)
    if not options.action:
        raise WrongCall("Name a step (start, cutover, rollback, finish), or a backup with --from and --to.")
    stack = Stack(options)
    {"start": _start, "cutover": _cutover, "rollback": _rollback, "finish": _finish}[options.action](stack)
    return 0


def _start(stack: Stack) -> None:
    at = _second(stack.options.at)
    for cluster in list(stack.settings.clusters):
        if stack.options.clusters and cluster.name not in stack.options.clusters:
            continue
        if cluster.beside:
            if Stands(settings=cluster).ends[1].restored_to != at:
                raise OperationError(f"{cluster.name} moves, or is restored to another second. Finish that first.")
        else:
            old = {
                "generation": cluster.generation,
                "version": cluster.version,
                "plan": cluster.plan.slug,
                "nodes": cluster.nodes,
                "replicas": cluster.replicas,
                "edition": cluster.edition.value,
            }
            wanted = cluster.generation + 1
            stack.record(Stands(settings=cluster), wanted=wanted, serving=cluster.generation, old=old, at=at)
    stack.deploy()
    for stands, pairs in _restored(stack):
        new = stands.ends[1].made_as
        say(f"{new} is {stands.ends[0].made_as} as of {at}, and takes no part yet. Rows there, and today:")
        for pair in pairs:
            for line in _compared(pair):
                say(f"  {line}")
    say("Its addresses are in the stack's output `moving`. Next: `trellis restore cutover`, or `finish` to drop it.")


def _cutover(stack: Stack) -> None:
    _change(stack, to_new=True)


def _rollback(stack: Stack) -> None:
    _change(stack, to_new=False)


def _change(stack: Stack, *, to_new: bool) -> None:
    for stands, pairs in _restored(stack):
        source, target = stands.ends if to_new else stands.ends[::-1]
        since = f" since {stands.ends[1].restored_to}" if to_new else ""
        what = f"What was written to {source.made_as}{since} stays there, and is not on {target.made_as}."
        stack.ask(f"{what} Go on?", what)
        for pair in pairs:
            here, there = pair.way(to_new=to_new)
            with here.connect() as leaving, there.connect() as coming:
                # First of all: what nobody will find again is not taken any more.
                fences.set_up(leaving, closed=False)
                if fences.is_open(leaving):
                    fences.close(here, leaving)
                if fences.is_set_up(coming):
                    fences.open_(coming)
        stack.record(stands, serving=target.generation)
    stack.deploy()
    say("Apps use it now. `trellis restore finish` deletes the other cluster; until then each keeps what it has.")


def _finish(stack: Stack) -> None:
    for stands, pairs in _restored(stack):
        what = f"{stands.beside.made_as} is deleted with all data in it; {stands.settings.made_as} stays."
        stack.ask(f"{what} Go on?", what)
        for pair in pairs:
            with (pair.new if stands.new_serves else pair.old).connect() as connection:
                fences.take_down(connection)
        stack.drop(stands)


def _restored(stack: Stack) -> Iterator[tuple[Stands, tuple[Pair, ...]]]:
    found = [Stands(settings=cluster) for cluster in stack.settings.clusters if _is_restored(Stands(settings=cluster))]
    if not found:
        raise OperationError("Nothing is being restored. `trellis restore start --at TIME` begins it.")
    for stands in found:
        with stack.pairs(stands) as pairs:
            yield stands, pairs


def _is_restored(stands: Stands) -> bool:
    return stands.both_stand and bool(stands.ends[1].restored_to)


def _compared(pair: Pair) -> Iterator[str]:
    with pair.old.connect() as today, pair.new.connect() as then:
        counts = [_counts(connection) for connection in (then, today)]
    for table in sorted(counts[0].keys() | counts[1].keys()):
        before, now = (str(one.get(table, "no such table")) for one in counts)
        yield f"{pair.new.database}, {table}: {before}, {now}"


def _counts(connection: Connection) -> dict[str, int]:
    found = {}
    for name in fences.tables(connection, whole=True):
        ((count,),) = connection.execute(f"SELECT count(*) FROM {name}".encode()).fetchall()  # noqa: S608
        found[name] = count
    return found


def _second(text: str | None) -> str:
    """The time as the API takes it, in UTC."""
    if not text:
        raise WrongCall(f"--at says which second it is to be restored to, for example {_FORM}.")
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise WrongCall(f"--at {text!r} is no time: write it like {_FORM}.") from None
    if at.tzinfo is None:
        raise WrongCall(f"--at {text} names no time zone: write it like {_FORM}.")
    if at >= datetime.now(UTC):
        raise WrongCall(f"--at {text} is not in the past.")
    return at.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
