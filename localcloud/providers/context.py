"""What an operation on a resource has at hand: the API, and a way to wait."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from localcloud.providers.http import ApiError, HttpClient

LOCAL_POLL_FIRST = 0.2
LOCAL_POLL_GROWTH = 1.5
LOCAL_POLL_MAX = 2.0


class CancelledError(Exception):
    """The user asked to stop while something was being waited for."""


@dataclass
class Context:
    """An API and the means to wait for it.

    api: the client. cancelled: set once the user asks to stop. config: the provider's settings.
    """

    api: HttpClient
    cancelled: threading.Event
    config: Mapping[str, str] = field(default_factory=dict)
    _locks: defaultdict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def lock(self, name: str) -> threading.Lock:
        """The lock of this name, for what the API cannot do side by side."""
        with self._guard:
            return self._locks[name]

    def wait(self, what: str, ready: Callable[[], bool], *, interval: float, timeout: float) -> None:
        """Polls until ready() is true.

        interval: seconds between polls of the real API; one on this machine is polled from 0.2 s, growing to 2 s.
        timeout: seconds. Raises TimeoutError or CancelledError, each saying what was waited for.
        """
        deadline = time.monotonic() + timeout
        pause = LOCAL_POLL_FIRST if self.api.is_loopback else interval
        while True:
            if self.cancelled.wait(pause):
                raise CancelledError(f"stopped while waiting for {what}; it goes on without us")
            if ready():
                return
            if time.monotonic() >= deadline:
                raise TimeoutError(f"gave up after {timeout:.0f} s waiting for {what}; it goes on without us")
            if self.api.is_loopback:
                pause = min(LOCAL_POLL_MAX, pause * LOCAL_POLL_GROWTH)

    def insist(
        self,
        what: str,
        attempt: Callable[[], object],
        passes: Callable[[ApiError], bool],
        *,
        interval: float,
        timeout: float,
    ) -> None:
        """Does what the API refuses for a while: at once, and again while its error `passes`. As `wait`, else.

        The TimeoutError ends with the last refusal.
        """
        refused: list[ApiError] = []

        def done() -> bool:
            try:
                attempt()
            except ApiError as error:
                if not passes(error):
                    raise
                refused.append(error)
                return False
            return True

        if done():
            return
        try:
            self.wait(what, done, interval=interval, timeout=timeout)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {refused[-1]}") from None
