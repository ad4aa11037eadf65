"""The subcommand `move`."""

import json
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import Any

from trellis.operations.errors import OperationError
from trellis.operations.move import (
    carrying,
    comparing,
    copying,
    cutting,
    fences,
    following,
    gates,
    keeping,
    streams,
    survey,
)
from trellis.operations.move.origins import FROM
from trellis.operations.move.sides import Pair, Side
from trellis.operations.move.stands import Stack, Stands, is_fenced
from trellis.operations.terminal import paint, say, tell
from trellis.policies.prices import dollars
from trellis.settings.resolved import numbered

_GIB = 1024**3


def run(options: Namespace) -> int:
    """Carries one step out; returns the exit code."""
    stack = Stack(options)
    moving = [one for one in stack.moving() if not options.clusters or one.settings.name in options.clusters]
    if restored := [one.settings.name for one in moving if one.settings.beside and one.ends[1].restored_to]:
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
        blocked |= any(finding.stops(copy=stack.options.by_copy) for found in surveys for finding in found.findings)
        databases = [asdict(one) for one in surveys]
        told.append({"cluster": stands.settings.name, "differs": stands.differs, "databases": databases})
        if not stack.options.json:
            _tell_plan(stands, surveys, copy=stack.options.by_copy)
    if stack.options.json:
        say(json.dumps({"clusters": told, "blocked": blocked}))
    return 1 if blocked else 0


def _tell_plan(stands: Stands, surveys: Sequence[survey.Survey], *, copy: bool) -> None:
    cluster = stands.settings
    say(paint(f"{cluster.name}: {', '.join(stands.differs)}", "bold"))
    if stands.origins:
        say(f"  {cluster.made_as} {'follows' if stands.deployed_yet else 'is made, with the schema of its files'}.")
    else:
        new = numbered(cluster.name, stands.generation)
        say(f"  A new cluster, {new}, stands beside {cluster.made_as} until `trellis move finish`.")
        say(f"  It costs about {dollars(cluster.monthly_usd)} a month; for that time both are paid for.")
    for found in surveys:
        say(
            f"  {found.name}: PostgreSQL {found.version}, {found.tables} tables, {found.size / _GIB:.2f} GiB, "
            f"{found.connections} connections"
        )
        for finding in found.findings:
            kind, colour = ("stops the move", "red") if finding.stops(copy=copy) else ("note", None)
            say(paint(f"    {kind}: {finding}", colour))
        if not copy and any(finding.by_stream for finding in found.findings):
            say(f"    {following.BY_COPY} That takes about {carrying.seconds(found.size):.0f} s.")
        if not (copy or found.way_back):
            say(
                "    note: it may not follow the new server, or its version cannot: after the cut there is no way back."
            )
    if copy:
        pause = sum(carrying.seconds(found.size) for found in surveys)
        say(f"  Nothing follows. Writes pause at the cut while all rows are copied: for about {pause:.0f} s, a guess")
        say(f"  from the size at {carrying.BYTES_PER_SECOND // 1024**2} MiB a second. So they do at a rollback.")
    else:
        say("  Writes pause at the cut for about as long as one change takes to the other cluster: seconds at most.")
    if copy and not stands.origins:
        say("  Apps are deployed anew after it, and cannot write until then.")
    elif stands.origins:
        say("  Until it apps of the stack read there and cannot write; clients elsewhere are led over after it.")
    else:
        say("  Apps are deployed anew just before it; until it they read on the new cluster and cannot write.")


def _start(stack: Stack, moving: Sequence[Stands]) -> int:
    for stands in moving:
        if not stands.both_stand:
            found = _surveyed(stack, stands)
            following.refuse([one for each in found for one in each.findings], copy=stack.options.by_copy)
            if not stands.origins:
                serving = stands.deployed["generation"]
                stack.record(stands, wanted=stands.generation, serving=serving, old=dict(stands.deployed))
    # What a foreign server sends goes into a cluster that stands as it should.
    if not all(stands.origins and stands.deployed_yet for stands in moving):
        stack.deploy()
    for stands in stack.moving():
        with stack.pairs(stands) as pairs:
            for pair in pairs:
                with pair.held():
                    for lack in following.follow(pair, stack.options.leave, copy=stack.options.by_copy):
                        tell(f"warning: {pair.new.name}: {lack}")
            streaming = [pair for pair in pairs if not following.goes_by_copy(pair)]
            _wait_for_copies(streaming)
            for pair in pairs:
                if not pair.foreign:
                    _tell_differences(pair)
            for pair in streaming:
                _refresh_views(pair.new)
        done = "everything is copied, and every change follows" if streaming else "all is ready; rows come at the cut"
        say(f"{stands.what}: {done}. Next: trellis move cutover")
    return 0


def _wait_for_copies(pairs: Sequence[Pair]) -> None:
    told = ""
    for pair, progress in following.copies(pairs):
        if (text := _in_words(pair, progress)) != told:
            tell(told := text)


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
                copy = following.goes_by_copy(pair)
                progress = None if copy else streams.progress(pair, source, target)
                told.append(
                    {
                        "old": pair.old.name,
                        "new": pair.new.name,
                        "writes": serving.name if serving else None,
                        "apps": stands.settings.made_as,
                        "by_copy": copy,
                        "follows": asdict(progress) if progress else None,
                    }
                )
                if not stack.options.json:
                    say(f"{pair.old.name} → {pair.new.name}")
                    say(f"  writes go to {serving.name if serving else 'neither: a cut was stopped; make it again'}")
                    say(f"  apps use {stands.settings.made_as}")
                    say(
                        "  nothing follows: rows are copied at the cut"
                        if copy
                        else f"  {_in_words(Pair(old=source, new=target), progress)}"
                    )
    if stack.options.json:
        say(json.dumps({"databases": told}))
    return 0


def _verify(stack: Stack, moving: Sequence[Stands]) -> int:
    same = True
    for _, pairs in _standing(stack, moving):
        for pair in pairs:
            if following.goes_by_copy(pair):
                say(f"{pair.old.name} and {pair.new.name} are compared at each cut: between them nothing follows.")
                continue
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
    first = False
    for stands, pairs in _standing(stack, moving):
        for pair in pairs:
            _look_ahead(stack, pair, to_new=to_new)
        if not (stands.origins or _goes_by_copy(pairs)):
            # Apps first: their deployment takes minutes, and the cut less than a second.
            _lead_apps(stack, stands, to_new=to_new)
            first = True
    if first:
        stack.deploy()
    same, after = True, False
    for stands, pairs in _standing(stack, list(stack.moving())):
        with ExitStack() as held:
            for pair in pairs:
                held.enter_context(pair.held())
            passed = gates.through(gate, pairs, stack.now.resources, to_new=to_new)
            with passed as passage, cutting.cut(pairs, to_new=to_new, first=passage.hold) as done:
                passage.let_in(done)
                clusters = sorted({pair.way(to_new=to_new)[1].cluster for pair in pairs})
                say(f"{', '.join(clusters)} takes writes. They paused for {done.pause:.2f} s.")
                for pair, snapshots in zip(pairs, done.snapshots, strict=False):
                    same &= _tell_compared(pair, snapshots)
        if same and _goes_by_copy(pairs) and not stands.origins:
            # Apps last: before the copy they would find no row there, and act on it.
            _lead_apps(stack, stands, to_new=to_new)
            after = True
    if not same:
        tell("error: the clusters differ, see above. Go back with `trellis move rollback`: it loses nothing.")
        return 1
    if after:
        stack.deploy()
    say("Watch it for as long as you like: `trellis move rollback` goes back, `trellis move finish` ends the move.")
    return 0


def _look_ahead(stack: Stack, pair: Pair, *, to_new: bool) -> None:
    """Stops a cut that would take longer than it need, or that nobody has agreed to."""
    source, target = pair.way(to_new=to_new)
    if following.goes_by_copy(pair):
        if cutting.serving(pair) is not target:
            _ask_for_time(stack, source, target)
        return
    if cutting.serving(pair) is source and not cutting.is_close_behind(source, target):
        raise OperationError(
            f"{target.name} is more than {cutting.CLOSE_BEHIND:.0f} s behind {source.name}, and writes would "
            "wait as long. Try again when `trellis move status` shows that it has come up."
        )
    if to_new:
        _warn_of_no_way_back(stack, pair)
        _refresh_views(pair.new)


def _goes_by_copy(pairs: Sequence[Pair]) -> bool:
    return any(map(following.goes_by_copy, pairs))


def _lead_apps(stack: Stack, stands: Stands, *, to_new: bool) -> None:
    stack.record(stands, serving=stands.ends[1 if to_new else 0].generation)


def _ask_for_time(stack: Stack, source: Side, target: Side) -> None:
    pause = carrying.seconds(survey.source(source).size)
    stack.ask(
        f"Writes to {source.name} pause for about {pause:.0f} s, while all rows are copied to {target.name}. Go on?",
        f"Writes to {source.name} would pause for about {pause:.0f} s.",
    )


def _refresh_views(side: Side) -> None:
    with side.connect() as connection:
        comparing.refresh_views(connection)


def _warn_of_no_way_back(stack: Stack, pair: Pair) -> None:
    if cutting.serving(pair) is pair.new or streams.progress(pair, pair.new, pair.old):
        return
    stack.ask(
        f"{pair.old.name} cannot follow {pair.new.name}: what is written after the cut stays there. Go on?",
        f"After the cut of {pair.old.name} there is no way back.",
    )


def _finish(stack: Stack, moving: Sequence[Stands]) -> int:
    for stands, pairs in _standing(stack, moving):
        with ExitStack() as held:
            for pair in pairs:
                held.enter_context(pair.held())
            (_finish_foreign if stands.origins else _finish_own)(stack, stands, pairs)
    return 0


def _finish_own(stack: Stack, stands: Stands, pairs: Sequence[Pair]) -> None:
    kept, beside = stands.settings, stands.beside
    if not stands.new_serves and not stands.as_before:
        raise OperationError(
            f"{kept.made_as} would stay, and the files ask for something else: {stands.what}. Set them back first, and "
            "say finish again; or make the cut."
        )
    for pair in pairs:
        # A run that was stopped has taken the fence away, and the other side is closed for ever.
        if is_fenced(pair.new if stands.new_serves else pair.old):
            serving = cutting.serving(pair)
            if serving is None or serving.cluster != kept.made_as:
                raise OperationError(f"{pair.old.name}: apps and writes are on two clusters. Make the cut again first.")
    stack.ask(
        f"{beside.made_as} is deleted with all data in it; {kept.made_as} stays. Go on?",
        f"{beside.made_as} would be deleted.",
    )
    for pair in pairs if stack.options.dump else ():
        file = keeping.keep(pair.old if stands.new_serves else pair.new, stack.dumps)
        say(f"{beside.made_as} was dumped to {file}.")
    for pair in pairs:
        _end(pair, pair.new if stands.new_serves else pair.old)
    stack.drop(stands)


def _finish_foreign(stack: Stack, stands: Stands, pairs: Sequence[Pair]) -> None:
    for pair in pairs:
        # A run that was stopped has taken the old one's fence away, after it has asked.
        if not is_fenced(pair.old):
            continue
        serving = cutting.serving(pair)
        if serving is None:
            raise OperationError(f"{pair.old.name}: a cut was stopped, and no side takes writes. Make it again first.")
        clients = survey.source(pair.old).connections
        stack.ask(
            f"Neither follows the other any more, and both {pair.old.name} and {pair.new.name} take writes. "
            f"{clients} sessions are in {pair.old.name} now. Go on?",
            f"{pair.old.name} takes writes that nobody carries over then.",
        )
    for pair in pairs:
        # The stack's own last: as long as it has its fence a stopped run is gone on with.
        _end(pair, pair.old, pair.new)
    for database in stands.origins:
        stack.engine.forget(f"{FROM}.{database}")
    say(f"{stands.what}: ended. {FROM} was taken out of the stack's config.")


def _end(pair: Pair, *kept: Side) -> None:
    """Ends both streams, and takes away what the move has put into the sides that are kept."""
    for to_new in (True, False):
        streams.unsubscribe(pair, *pair.way(to_new=to_new))
    for side in kept:
        with side.connect() as connection:
            streams.unpublish(connection)
            fences.take_down(connection)


def _standing(stack: Stack, moving: Sequence[Stands]) -> Iterator[tuple[Stands, tuple[Pair, ...]]]:
    found = [stands for stands in moving if stands.both_stand]
    if not found:
        raise OperationError("No move has begun. `trellis move plan` tells of it, `trellis move start` begins it.")
    for stands in found:
        with stack.pairs(stands) as pairs:
            yield stands, pairs


def _surveyed(stack: Stack, stands: Stands) -> Sequence[survey.Survey]:
    with stack.sources(stands) as sides:
        found = [survey.source(side) for side in sides]
    more: Sequence[Sequence[survey.Finding]] = [survey.expected(stands.settings)] * len(found)
    if stands.origins and stands.deployed_yet:
        with stack.pairs(stands) as pairs:
            more = [following.misfits(pair, stack.options.leave) for pair in pairs]
    return [
        _without(stack, replace(one, findings=(*one.findings, *others)))
        for one, others in zip(found, more, strict=True)
    ]


def _without(stack: Stack, found: survey.Survey) -> survey.Survey:
    """A survey without what was found in tables that stay behind."""
    left = {f"{found.name}, {name}" for name in stack.options.leave}
    return replace(found, findings=tuple(one for one in found.findings if one.where not in left))


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
