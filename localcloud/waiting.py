"""Waiting for what no call tells of."""

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], patience: float, pause: float = 0.02) -> bool:
    """Whether the condition came true within `patience` seconds. pause: seconds between two looks."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
