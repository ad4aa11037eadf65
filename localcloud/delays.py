"""How long things take at DigitalOcean, for those who want to see it: work is done at once and told of later."""

import threading
import time
from collections.abc import Callable

_SECONDS = {"creating": 300, "forking": 420, "resizing": 480, "migrating": 900, "restarting": 60}
"""Of each status a cluster or replica has on its way to "online". Orders of magnitude, not promises."""

DEPLOYMENT = 120
"""Seconds an app's deployment takes."""


class Delays:
    """Holds a status back. pace: a share of the times. again: called with a cluster's id when one is over."""

    def __init__(self, pace: float, again: Callable[[str], None]) -> None:
        self._pace = pace
        self._again = again
        self._due: dict[tuple[str, str], float] = {}
        self._timers: list[threading.Timer] = []

    def hold(self, cluster_id: str, id: str, status: str) -> bool:
        """Whether this cluster, or replica of it, keeps its status for a while yet."""
        seconds = _SECONDS.get(status, 0) * self._pace
        due = self._due.setdefault((id, status), time.monotonic() + seconds) if seconds else 0.0
        left = due - time.monotonic()
        if left <= 0:
            self._due.pop((id, status), None)
            return False
        timer = threading.Timer(left, self._again, (cluster_id,))
        timer.daemon = True
        self._timers = [*(item for item in self._timers if item.is_alive()), timer]
        timer.start()
        return True

    def end(self) -> None:
        for timer in self._timers:
            timer.cancel()
