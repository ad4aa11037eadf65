"""The cut: one side is closed, the last change arrives on the other, and that one is opened."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from trellis.operations.errors import OperationError
from trellis.operations.move import carrying, fences, matching
from trellis.operations.move.comparing import Snapshots, carry_sequences
from trellis.operations.move.sides import Connection, Pair, Side

# How long the last change may be under way, in seconds: a stream that was up to date has it within milliseconds.
_ARRIVAL = 60.0
# How far behind a stream may be when the cut begins, in seconds.
CLOSE_BEHIND = 5.0


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A cut that was made. pause: seconds in which no side took writes. snapshots: of each pair, at that moment."""

    pause: float
    snapshots: Sequence[Snapshots]


def serving(pair: Pair) -> Side | None:
    """The side that takes writes; None where a cut was stopped between the two.

    Raises OperationError where both do: somebody took a fence away by hand.
    """
    open_sides = []
    for side in (pair.old, pair.new):
        with side.connect() as connection:
            if fences.is_open(connection):
                open_sides.append(side)
    if len(open_sides) > 1:
        raise OperationError(
            f"{pair.old.name} and {pair.new.name} both take writes: a fence was taken away by hand. Nothing was "
            "changed. Decide which one is right before anything else is written."
        )
    return open_sides[0] if open_sides else None


def is_close_behind(source: Side, target: Side) -> bool:
    """Whether the target has within seconds what is committed on the source by now."""
    with source.connect() as here, target.connect() as there:
        return fences.arrives(there, fences.mark(here), CLOSE_BEHIND)


@contextmanager
def cut(pairs: Sequence[Pair], *, to_new: bool, first: Callable[[], None] = lambda: None) -> Iterator[Cut]:
    """Makes every pair's other side the one that is written to. Snapshots of both sides are open meanwhile.

    first: what is done when all is ready, before anything is closed.

    Stopped anywhere, at most one side takes writes, and it can be made again in either direction. Raises OperationError
    where a writer does not end or the last change does not arrive; the sides take writes where they did before then.
    """
    with ExitStack() as opened:
        ends = [_End.of(pair, opened, to_new=to_new) for pair in pairs]
        # What is open already is where an earlier run came to.
        left = [end for end in ends if not fences.is_open(end.there)]
        bare = [end for end in left if not end.is_complete]
        first()
        started = time.monotonic()
        closed = [end for end in left if fences.is_open(end.here)]
        try:
            for end, token in [(end, fences.close(end.source, end.here)) for end in bare]:
                _bring(end, token)
                carry_sequences(end.here, end.there)
        except BaseException:
            for end in closed:
                fences.open_(end.here)
            raise
        snapshots = [opened.enter_context(Snapshots.taken(end.pair)) for end in bare]
        for end in left:
            fences.open_(end.there)
        yield Cut(pause=time.monotonic() - started, snapshots=snapshots)


@contextmanager
def held_still(pair: Pair) -> Iterator[Snapshots]:
    """Snapshots of both sides as of one moment, for which writers wait a blink. The pair is held.

    Raises OperationError as `cut` does, and where no side takes writes: to end this would open one.
    """
    at = serving(pair)
    if at is None:
        raise OperationError(f"{pair.old.name}: a cut was stopped, and no side takes writes. Make it again first.")
    with ExitStack() as opened:
        end = _End.of(pair, opened, to_new=at is pair.old)
        token = fences.close(end.source, end.here)
        try:
            _await(end, token, CLOSE_BEHIND)
            snapshots = opened.enter_context(Snapshots.taken(pair))
        finally:
            fences.open_(end.here)
        yield snapshots


@dataclass(frozen=True, kw_only=True)
class _End:
    """Both ends of a stream, with a session at each."""

    pair: Pair
    source: Side
    target: Side
    here: Connection
    there: Connection

    @classmethod
    def of(cls, pair: Pair, opened: ExitStack, *, to_new: bool) -> "_End":
        source, target = pair.way(to_new=to_new)
        here, there = (opened.enter_context(side.connect()) for side in (source, target))
        return cls(pair=pair, source=source, target=target, here=here, there=there)

    @property
    def is_complete(self) -> bool:
        """Whether the target holds all there is: a copy that leads away from it was stopped."""
        if not carrying.goes_by_copy(self.there) or fences.is_open(self.here):
            return False
        return carrying.has_less(self.here, self.there)


def _bring(end: _End, token: str) -> None:
    """Gets to the target what was committed before the mark: by the stream, or by a copy of everything."""
    if not carrying.goes_by_copy(end.there):
        _await(end, token, _ARRIVAL)
        return
    old, new = (end.here, end.there) if end.source is end.pair.old else (end.there, end.here)
    carrying.carry(end.here, end.there, matching.shared(old, new, foreign=end.pair.foreign))


def _await(end: _End, token: str, seconds: float) -> None:
    if not fences.arrives(end.there, token, seconds):
        raise OperationError(
            f"The last change of {end.source.name} has not reached {end.target.name} within {seconds:.0f} s; writes go "
            "on where they did. Is a server overloaded, or the stream broken? `trellis move status` tells."
        )
