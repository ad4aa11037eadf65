"""When servers that ended are started again: at once, and later and later when they end again and again."""

import time
from dataclasses import dataclass, field

LONGEST_WAIT = 60.0
"""Seconds between two tries at most. Servers that ran so long after they were due are taken for well."""

LOOP = 3
"""Tries in succession after which it is no accident, and everybody who asks is told so."""


@dataclass
class _Tries:
    count: int = 0
    due: float = 0.0


@dataclass
class Backoff:
    """The tries of each cluster."""

    _tries: dict[str, _Tries] = field(default_factory=dict)

    def fell(self, id: str) -> int:
        """Notes that servers which ran have ended. The tries in succession before this fall."""
        tries = self._tries.setdefault(id, _Tries())
        if time.monotonic() > tries.due + LONGEST_WAIT:
            tries.count = 0
        return tries.count

    def due(self, id: str) -> bool:
        """Whether to try now; the next try is put off."""
        tries = self._tries.setdefault(id, _Tries())
        now = time.monotonic()
        if now < tries.due:
            return False
        tries.due = now + min(2.0**tries.count, LONGEST_WAIT)
        tries.count += 1
        return True
