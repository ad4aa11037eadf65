"""When servers that ended are started again: at once, and later and later when they end again and again."""

import time

LONGEST_WAIT = 60.0
"""Seconds between two tries at most. Servers that ran so long after they were due are taken for well."""

LOOP = 3
"""Tries in succession after which it is no accident, and everybody who asks is told so."""


class Backoff:
    """The tries in succession of each cluster, and when the next one is due."""

    def __init__(self) -> None:
        self._tries: dict[str, tuple[int, float]] = {}

    def fell(self, id: str) -> int:
        """Notes that servers which ran have ended. The tries in succession before this fall."""
        count, due = self._tries.get(id, (0, 0.0))
        if time.monotonic() > due + LONGEST_WAIT:
            self._tries[id] = count, due = 0, 0.0
        return count

    def due(self, id: str) -> bool:
        """Whether to try now; the next try is put off."""
        count, due = self._tries.get(id, (0, 0.0))
        now = time.monotonic()
        if now >= due:
            self._tries[id] = count + 1, now + min(2.0**count, LONGEST_WAIT)
        return now >= due
