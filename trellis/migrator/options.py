"""How a run behaves, and stopping it from another thread."""

import os
import select
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from trellis.migrator.versions import version_key


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


@dataclass(frozen=True, kw_only=True)
class Options:
    """Settings of a run; the defaults are safe for a database that serves users.

    target: newest version to apply; repeatables run all the same. None is all there are.
    out_of_order: whether a version below the current one may still be applied.
    allow_missing: whether the history may hold migrations that the folder no longer has. An older checkout that must
        run against a newer database needs this.
    repeat: whether repeatables run although they have not changed: what they gave is gone, for example the grants of
        a role that was dropped and made anew.
    baseline_version: version a database is taken to be at that has objects but no history; a baseline row records it.
        None refuses such a database.
    lock_wait: longest wait for another migrator on the same schema, in seconds.
    lock_timeout: longest wait of a statement for a lock on a table, in seconds; 0 waits for ever. A waiting ALTER
        TABLE holds up every query behind it, hence a few seconds and another try.
    concurrent_lock_timeout: the same for statements that run outside a transaction, such as CREATE INDEX CONCURRENTLY,
        which wait for older transactions and hold nobody up meanwhile.
    statement_timeout: longest run of one statement, in seconds; 0 lets a long backfill finish.
    retries: how often a migration is tried again after a lock timeout (55P03), a deadlock (40P01) or a serialisation
        failure (40001).
    retry_delay: first pause before such a try, in seconds; it doubles each time up to 30 s.
    stop: ends the run when another thread sets it; None where nobody does.
    progress: called with one plain line at a time: what waits, what was applied.
    """

    target: str | None = None
    out_of_order: bool = False
    allow_missing: bool = False
    repeat: bool = False
    baseline_version: str | None = None
    lock_wait: float = 600.0
    lock_timeout: float = 5.0
    concurrent_lock_timeout: float = 3600.0
    statement_timeout: float = 0.0
    retries: int = 6
    retry_delay: float = 0.5
    stop: Stop | None = None
    progress: Callable[[str], None] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a version that is none and for a negative number."""
        for version in (self.target, self.baseline_version):
            if version is not None:
                version_key(version)
        for name in ("lock_wait", "lock_timeout", "concurrent_lock_timeout", "statement_timeout", "retries"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it cannot be negative")
        if self.retry_delay <= 0:
            raise ValueError(f"retry_delay is {self.retry_delay}; it has to be above zero")

    def pause(self, seconds: float) -> bool:
        """Wait before the next try; False, at once, when the run is to stop."""
        if self.stop is not None:
            return not self.stop.wait(seconds)
        time.sleep(seconds)
        return True

    def tell(self, line: str) -> None:
        """Hand one line to the progress callback."""
        if self.progress is not None:
            self.progress(line)

    def with_progress_through(self, change: Callable[[str], str]) -> Self:
        """The same options, each progress line passed through a function first."""
        progress = self.progress
        return self if progress is None else replace(self, progress=lambda line: progress(change(line)))


DEFAULTS = Options()
