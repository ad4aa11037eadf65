"""The subcommand `move`."""

import json
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from trellis.operations import up
from trellis.operations.errors import OperationError
from trellis.operations.move import comparing, copying, cutting, fences, gates, streams, survey
from trellis.operations.move.sides import Pair
from trellis.operations.move.stands import Stack, Stands
from trellis.operations.terminal import confirm, paint, say, tell
from trellis.policies.prices import dollars
from trellis.settings.resolved import numbered

# How often progress is told, in seconds.
_EVERY = 2.0
_GIB = 1024**3


def run(options: Namespace) -> int:
    """Carries one step out; returns the exit code."""
    stack = Stack(options)
    moving = [one for one in stack.moving() if not options.clusters or one.settings.name in options.clusters]
    if restored := [one.settings.name for one in moving if one.both_stand and one.ends[1].restored_to]:
        raise OperationError(f"{', '.join(restored)} is being restored: `trellis restore` goes on with it, or ends it.")
    if not moving:
        say("Nothing is to move: every cluster is what the files ask for.")
        return 0
    steps = {
        "plan": _plan,
        "start": _start,
        "status": _status,
        "verify": _verify,
        "cutover": _cutover,
        "rollback": _rollback,
        "finish": _finish,
    }
    return steps[options.action](stack, moving)


def _plan(stack: Stack, moving: Sequence[Stands]) -> int:
    told, blocked = [], False
    for stands in moving:
        if stands.both_stand:
            tell(f"{stands.what}: has begun. `trellis move status` tells how far it is.")
            continue
        surveys = _surveyed(stack, stands)
        blocked |= any(finding.blocks for found in surveys for finding in found.findings)
        databases = [asdict(one) for one in surveys]
        told.append({"cluster": stands.settings.name, "differs": stands.differs, "databases": databases})
        if not stack.options.json:
            _tell_plan(stands, surveys)
    if stack.options.json:
        say(json.dumps({"clusters": told, "blocked": blocked}))
    return 1 if blocked else 0


def _tell_plan(stands: Stands, surveys: Sequence[survey.Survey]) -> None:
    cluster = stands.settings
    say(paint(f"{cluster.name}: {', '.join(stands.differs)}", "bold"))
    new = numbered(cluster.name, stands.generation)
    say(f"  A new cluster, {new}, stands beside {cluster.made_as} until `trellis move finish`.")
    say(f"  It costs about {dollars(cluster.monthly_usd)} a month; for that time both are paid for.")
    for found in surveys:
        say(
            f"  {found.name}: PostgreSQL {found.version}, {found.tables} tables, {found.size / _GIB:.2f} GiB, "
            f"{found.connections} connections"
        )
        for finding in found.findings:
            kind, colour = ("stops the move", "red") if finding.blocks else ("note", None)
            say(paint(f"    {kind}: {finding}", colour))
        if not found.way_back:
            say("    note: this version cannot follow the new server, so after the cut there is no way back.")
    say("  Writes pause at the cut for about as long as one change takes to the other cluster: seconds at most.")
    say("  Apps are deployed anew just before it; until it they read on the new cluster and cannot write.")


def _start(stack: Stack, moving: Sequence[Stands]) -> int:
    for stands in moving:
        if not stands.both_stand:
            _refuse(_surveyed(stack, stands))
            serving = stands.deployed["generation"]
            stack.record(stands, wanted=stands.generation, serving=serving, old=dict(stands.deployed))
    _deploy(stack)
    for stands in stack.moving():
        with stack.pairs(stands) as pairs:
            for pair in pairs:
                with pair.held():
                    _follow(pair)
                streams.rest(pair, pair.new, resting=True)
            # One after another: a server has four workers unless set, and every stream keeps one that a copy needs.
            for pair in pairs:
                streams.rest(pair, pair.new, resting=False)
                _wait_for_copy([pair])
                streams.rest(pair, pair.new, resting=True)
            for pair in pairs:
                streams.rest(pair, pair.new, resting=False)
            for pair in pairs:
                _tell_differences(pair)
                comparing.refresh_views(pair.new)
        say(f"{stands.what}: everything is copied, and every change follows. Next: trellis move cutover")
    return 0


def _follow(pair: Pair) -> None:
    blocking = [finding for finding in survey.target(pair.new, pair.old) if finding.blocks]
    if blocking:
        raise OperationError("\n".join(map(str, blocking)))
    for lack in copying.copy_schema(pair):
        tell(f"warning: {pair.new.name}: {lack}")
    for side, closed in ((pair.old, False), (pair.new, True)):
        with side.connect() as connection:
            fences.set_up(connection, closed=closed)
            streams.publish(connection)
    streams.subscribe(pair, pair.old, pair.new, copy=True)
    if survey.way_back(pair.old):
        streams.subscribe(pair, pair.new, pair.old, copy=False)


def _wait_for_copy(pairs: Sequence[Pair]) -> None:
    told = ""
    while True:
        found = [streams.progress(pair, pair.old, pair.new) for pair in pairs]
        lines = [_in_words(pair, progress) for pair, progress in zip(pairs, found, strict=True)]
        if (text := "\n".join(lines)) != told:
            tell(told := text)
        if all(progress and not progress.is_copying for progress in found):
            return
        time.sleep(_EVERY)


def _in_words(pair: Pair, progress: streams.Progress | None) -> str:
    if progress is None:
        return f"{pair.new.name}: does not follow"
    failures = f", {progress.failures} failures: the server's log tells why" if progress.failures else ""
    if progress.is_copying:
        rows = f", {progress.rows:,} rows of those under way" if progress.rows else ""
        return f"{pair.new.name}: {progress.copied} of {progress.tables} tables copied{rows}{failures}"
    behind = "nobody sends" if progress.bytes_behind is None else f"{progress.bytes_behind / 1024:.0f} KiB behind"
    return f"{pair.new.name}: all {progress.tables} tables copied, {behind}{failures}"


def _status(stack: Stack, moving: Sequence[Stands]) -> int:
    told: list[dict[str, Any]] = []
    for stands in moving:
        if not stands.both_stand:
            say(f"{stands.settings.name}: {', '.join(stands.differs)}. Not begun: `trellis move plan`, then start.")
            continue
        with stack.pairs(stands) as pairs:
            for pair in pairs:
                serving = cutting.serving(pair)
                source, target = pair.way(to_new=serving is not pair.new)
                progress = streams.progress(pair, source, target)
                told.append(
                    {
                        "old": pair.old.name,
                        "new": pair.new.name,
                        "writes": serving.name if serving else None,
                        "apps": stands.settings.made_as,
                        "follows": asdict(progress) if progress else None,
                    }
                )
                if not stack.options.json:
                    say(f"{pair.old.name} → {pair.new.name}")
                    say(f"  writes go to {serving.name if serving else 'neither: a cut was stopped; make it again'}")
                    say(f"  apps use {stands.settings.made_as}")
                    say(f"  {_in_words(Pair(old=source, new=target), progress)}")
    if stack.options.json:
        say(json.dumps({"databases": told}))
    return 0


def _verify(stack: Stack, moving: Sequence[Stands]) -> int:
    same = True
    for _, pairs in _standing(stack, moving):
        for pair in pairs:
            with pair.held(), cutting.held_still(pair) as snapshots:
                same &= _tell_compared(pair, snapshots)
    return 0 if same else 1


def _cutover(stack: Stack, moving: Sequence[Stands]) -> int:
    return _cut(stack, moving, to_new=True)


def _rollback(stack: Stack, moving: Sequence[Stands]) -> int:
    return _cut(stack, moving, to_new=False)


def _cut(stack: Stack, moving: Sequence[Stands], *, to_new: bool) -> int:
    if gate := gates.Gate.of(stack.options):
        gate.check()
    for stands, pairs in _standing(stack, moving):
        for pair in pairs:
            source, target = pair.way(to_new=to_new)
            if cutting.serving(pair) is source and not cutting.is_close_behind(source, target):
                raise OperationError(
                    f"{target.name} is more than {cutting.CLOSE_BEHIND:.0f} s behind {source.name}, and writes would "
                    "wait as long. Try again when `trellis move status` shows that it has come up."
                )
            if to_new:
                comparing.refresh_views(pair.new)
        # Apps first: their deployment takes minutes, and the cut less than a second.
        stack.record(stands, serving=stands.ends[1 if to_new else 0].generation)
    _deploy(stack)
    same = True
    for stands, pairs in _standing(stack, list(stack.moving())):
        with ExitStack() as held:
            for pair in pairs:
                held.enter_context(pair.held())
            passed = gates.through(gate, pairs, stack.engine.state(secrets=True), to_new=to_new)
            with passed as passage, cutting.cut(pairs, to_new=to_new, first=passage.hold) as done:
                passage.let_in(done)
                say(f"{stands.settings.made_as} takes writes. They paused for {done.pause:.2f} s.")
                for pair, snapshots in zip(pairs, done.snapshots, strict=False):
                    same &= _tell_compared(pair, snapshots)
    if not same:
        tell("error: the clusters differ, see above. Go back with `trellis move rollback`: it loses nothing.")
        return 1
    say("Watch it for as long as you like: `trellis move rollback` goes back, `trellis move finish` ends the move.")
    return 0


def _finish(stack: Stack, moving: Sequence[Stands]) -> int:
    for stands, pairs in _standing(stack, moving):
        kept, beside = stands.settings, stands.beside
        with ExitStack() as held:
            for pair in pairs:
                held.enter_context(pair.held())
                # A run that was stopped has taken the fence away, and the other side is closed for ever.
                if _is_fenced(pair, new=stands.new_serves):
                    serving = cutting.serving(pair)
                    if serving is None or serving.cluster != kept.made_as:
                        raise OperationError(
                            f"{pair.old.name}: apps and writes are on two clusters. Make the cut again first."
                        )
            question = f"{beside.made_as} is deleted with all data in it; {kept.made_as} stays. Go on?"
            if not (stack.options.yes or confirm(question)):
                raise OperationError(f"{beside.made_as} would be deleted. Nothing was changed. Say --yes.")
            for pair in pairs:
                for to_new in (True, False):
                    streams.unsubscribe(pair, *pair.way(to_new=to_new))
                with (pair.new if stands.new_serves else pair.old).connect() as connection:
                    streams.unpublish(connection)
                    fences.take_down(connection)
        lost = [beside.made_as, *(f"{beside.made_as}-{database.name}" for database in beside.databases)]
        stack.engine.unprotect(lost)
        stack.record(stands, old=None, wanted=kept.generation, serving=kept.generation)
        _deploy(stack, may_delete=lost)
        say(f"{kept.name} is {kept.made_as} now, and {beside.made_as} is gone.")
    return 0


def _is_fenced(pair: Pair, *, new: bool) -> bool:
    with (pair.new if new else pair.old).connect() as connection:
        return fences.is_set_up(connection)


def _standing(stack: Stack, moving: Sequence[Stands]) -> Iterator[tuple[Stands, tuple[Pair, ...]]]:
    found = [stands for stands in moving if stands.both_stand]
    if not found:
        raise OperationError("No move has begun. `trellis move plan` tells of it, `trellis move start` begins it.")
    for stands in found:
        with stack.pairs(stands) as pairs:
            yield stands, pairs


def _deploy(stack: Stack, may_delete: Sequence[str] = ()) -> None:
    options = stack.options
    code = up.run(
        Namespace(stack=options.stack, config_file=options.config_file, may_delete=list(may_delete), pulumi=[])
    )
    if code:
        raise OperationError("The deployment failed, see above. The same command goes on where it ended.")


def _surveyed(stack: Stack, stands: Stands) -> Sequence[survey.Survey]:
    with stack.sources(stands) as sides:
        return [survey.source(side) for side in sides]


def _refuse(surveys: Sequence[survey.Survey]) -> None:
    blocking = [str(finding) for found in surveys for finding in found.findings if finding.blocks]
    if blocking:
        raise OperationError("\n".join(["The move cannot begin:", *blocking]))


def _tell_differences(pair: Pair) -> None:
    for difference in copying.differences(pair):
        tell(f"warning: {pair.new.name} differs in {difference}")


def _tell_compared(pair: Pair, snapshots: comparing.Snapshots) -> bool:
    differences, tables, rows = snapshots.differences()
    for difference in differences:
        tell(f"error: {difference}")
    if not differences:
        say(f"{pair.old.name} and {pair.new.name} hold the same: {rows:,} rows in {tables} tables, by checksum.")
    return not differences
