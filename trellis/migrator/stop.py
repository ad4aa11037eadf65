"""Stopping runs from another thread."""

import os
import select
import weakref


class Stop:
    """Once set, every run that was given it (`Options.stop`) cancels its statement and ends with a MigrationError.

    What a run had committed stays, and the next run goes on from there. It may serve several runs at once.
    """

    def __init__(self) -> None:
        # A pipe, so that a run can wait for its server and for this at the same time. Nobody reads from it.
        self._reader, self._writer = os.pipe()
        weakref.finalize(self, os.close, self._reader)
        weakref.finalize(self, os.close, self._writer)

    def set(self) -> None:
        """Stop the runs; safe from any thread and from a signal handler."""
        os.write(self._writer, b".")

    def fileno(self) -> int:
        """A file descriptor that can be read from once it is set."""
        return self._reader

    def wait(self, seconds: float) -> bool:
        """Wait that long at most; whether it is set."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
