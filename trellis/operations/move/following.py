"""The beginning of a move: a database follows another one. Every step can be repeated."""

import time
from collections.abc import Collection, Iterator, Sequence

from trellis.migrator import MigrationError, admit
from trellis.operations.errors import OperationError
from trellis.operations.move import carrying, copying, fences, matching, streams, survey
from trellis.operations.move.sides import Connection, Pair, Side
from trellis.operations.move.survey import Finding
from trellis.server.scram import verifier

# How often progress is told at first and later on, in seconds.
_OFTEN = 0.1
_EVERY = 2.0

BY_COPY = "Or say --by-copy: nothing follows, and writes pause at the cut while all rows are copied."


def follow(pair: Pair, left: Collection[str] = (), *, copy: bool = False) -> Sequence[str]:
    """Makes the new database follow the old one, and the old one it; gives what could not be done, in words.

    The first copy waits for `copies`.

    left: tables of a foreign server that stay behind, as schema.name. copy: whether rows come by a copy at the cut, and
    nothing follows. Raises OperationError where it cannot.
    """
    copy |= goes_by_copy(pair)
    refuse([*survey.target(pair.new, pair.old), *misfits(pair, left)], copy=copy)
    lacks = [] if pair.foreign else [*copying.copy_schema(pair), *_review(pair.new)]
    if pair.foreign:
        _close(pair)
    with pair.old.connect() as old, pair.new.connect() as new:
        for side, closed in ((old, False), (new, True)):
            fences.set_up(side, closed=closed)
        if copy:
            for side in (old, new):
                carrying.mark(side)
            return lacks
        for side in (old, new):
            streams.publish(side, _offered(pair, old, new, side))
        goes_back = survey.way_back(old)
    streams.subscribe(pair, pair.old, pair.new, copy=True)
    if not goes_back:
        return [*lacks, f"{pair.old.name} cannot follow, so after the cut there is no way back"]
    try:
        streams.subscribe(pair, pair.new, pair.old, copy=False)
    except OperationError as error:
        if not pair.foreign:
            raise
        # Somebody else's server may not be let out to this one, or this one's trusted sources do not have it.
        lacks.append(f"after the cut there is no way back. {error}")
    return lacks


def copies(pairs: Sequence[Pair]) -> Iterator[tuple[Pair, streams.Progress | None]]:
    """Makes the first copies, and gives every so often how far one is, until all are whole.

    One after another: a server has four workers unless set, and every stream keeps one that a copy needs. So a stream
    rests before its copy and after it. It never does in it: one that begins anew there may pass over what was written
    meanwhile, because it goes on behind the last change that it had left to a table's own worker.
    """
    for pair in pairs:
        streams.rest(pair, pair.new, resting=False)
        pause = _OFTEN
        while True:
            progress = streams.progress(pair, pair.old, pair.new)
            yield pair, progress
            if progress and not progress.is_copying:
                break
            time.sleep(pause)
            pause = min(pause * 1.5, _EVERY)
        if pair is not pairs[-1]:
            streams.rest(pair, pair.new, resting=True)
    for pair in pairs[:-1]:
        streams.rest(pair, pair.new, resting=False)


def goes_by_copy(pair: Pair) -> bool:
    """Whether the rows of a move that has begun come by a copy at the cut."""
    with pair.new.connect() as new:
        return carrying.goes_by_copy(new)


def misfits(pair: Pair, left: Collection[str] = ()) -> Sequence[Finding]:
    """What of a foreign server has no place in the new database, as far as that has its schema."""
    if not pair.foreign:
        return ()
    with pair.old.connect() as old, pair.new.connect() as new:
        shared = matching.shared(old, new)
        ends = tuple(f", {name.replace(chr(34), '')}" for name in shared)
        here = [one for one in survey.rows(pair.new.name, new) if one.where.endswith(ends)]
        return [*matching.findings(pair, old, new, left), *here]


def refuse(findings: Collection[Finding], *, copy: bool) -> None:
    """Raises OperationError where one of them stands in the way. copy: of a copy behind a fence."""
    blocking = [finding for finding in findings if finding.stops(copy=copy)]
    if not blocking:
        return
    way_out = "" if copy or not all(one.by_stream for one in blocking) else f"\n{BY_COPY}"
    raise OperationError("\n".join(["The move cannot begin:", *map(str, blocking)]) + way_out)


def _review(new: Side) -> Iterator[str]:
    """Lets the reviewer in, whom else a migration would: none runs on the new side before the end."""
    if new.reviewer is None:
        return
    name, password = new.reviewer
    try:
        admit(new.target, name, verifier(name, password) if password else None)
    except MigrationError as error:
        yield f"{name} cannot review: {error.message}"


def _close(pair: Pair) -> None:
    """Closes a new database whose schema its own files have made, and which nobody has written to."""
    with pair.old.connect() as old, pair.new.connect() as new:
        if streams.follows(pair, new) or carrying.goes_by_copy(new):
            return
        _refuse_rows(pair, old, new)
        fresh = not fences.is_set_up(new)
        fences.set_up(new, closed=True)
        try:
            # Between the first look and the fence somebody may have written.
            _refuse_rows(pair, old, new)
        except OperationError:
            if fresh:
                fences.take_down(new)
            raise


def _refuse_rows(pair: Pair, old: Connection, new: Connection) -> None:
    if full := matching.holding_rows(old, new):
        raise OperationError(
            f"{pair.new.name} holds rows already in {', '.join(full)}, and they would stand in the way of those of "
            f"{pair.old.name}. Nothing was changed. Where they may go: TRUNCATE {', '.join(full)}"
        )


def _offered(pair: Pair, old: Connection, new: Connection, side: Connection) -> Sequence[str]:
    if not pair.foreign:
        return fences.tables(side, whole=True)
    return matching.offered(side, matching.shared(old, new))
