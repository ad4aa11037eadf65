"""Wall-clock times of two things, in turn, and their ratio."""

import statistics
import time
from collections.abc import Callable


def compare(
    title: str, ours: Callable[[], object], other: Callable[[], object], *, against: str, runs: int = 5
) -> None:
    """Runs both once uncounted, then `runs` times in turn, and prints the ratio of the medians with both."""
    pairs = [(_seconds(ours), _seconds(other)) for _ in range(runs + 1)][1:]
    mine, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"{title}: {mine / theirs:.2f} x {against} ({mine:.2f} s and {theirs:.2f} s, median of {runs})", flush=True)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
