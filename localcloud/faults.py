"""Faults a test can ask for: the next calls that match go wrong in the way that was named."""

import re
import threading
import uuid
from dataclasses import dataclass, field
from typing import Literal

FaultKind = Literal["429", "500", "lost-response", "slow", "stuck"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One order.

    method: HTTP method, or "*". path: regular expression, searched in the path. times: calls that are left.
    seconds: how long a "slow" call waits, or the `retry-after` of a "429".
    """

    method: str
    path: re.Pattern[str]
    times: int
    kind: FaultKind
    seconds: float = 1.0
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def matches(self, method: str, path: str) -> bool:
        return self.method in ("*", method) and self.path.search(path) is not None


class Faults:
    """The orders that are open. They live in memory: a restart clears them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: list[tuple[Fault, int]] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._orders.append((fault, fault.times))

    def open(self) -> list[tuple[Fault, int]]:
        """Orders with the number of calls they are still good for."""
        with self._lock:
            return list(self._orders)

    def clear(self) -> None:
        with self._lock:
            self._orders.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The first order that matches this call, used up by one."""
        with self._lock:
            for index, (fault, left) in enumerate(self._orders):
                if fault.matches(method, path):
                    if left > 1:
                        self._orders[index] = (fault, left - 1)
                    else:
                        del self._orders[index]
                    return fault
        return None
