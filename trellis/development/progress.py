"""Progress of long steps on a terminal or in a log, and the error that ends a run."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from trellis.operations.errors import OperationError


class Failure(OperationError):
    """A step that cannot go on. The text says what is wrong and what to do."""


_running: list[tuple[str, float]] = []


def _terminal() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def bold(text: str) -> str:
    """Emphasis on a terminal, plain text in a pipe."""
    return f"\033[1m{text}\033[0m" if _terminal() else text


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announces a step, says every 15 seconds that it goes on, and ends with how long it took.

    Steps may go on side by side.
    """
    print(f"{title} ...", flush=True)
    started = time.monotonic()
    done = threading.Event()
    own = (title, started)
    _running.append(own)

    def report() -> None:
        while not done.wait(15):
            # One line for all that go on, from the step that has gone on longest.
            if _running[:1] == [own]:
                now = time.monotonic()
                print(", ".join(f"{name.strip()} ... {now - since:.0f} s" for name, since in _running), flush=True)

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        yield
    finally:
        _running.remove(own)
        done.set()
        reporter.join()
    print(f"{title}: {time.monotonic() - started:.1f} s", flush=True)
