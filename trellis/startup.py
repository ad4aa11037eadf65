"""Makes the short programs that the engine starts begin and end faster."""

import atexit
import gc
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def collect_nothing() -> None:
    """Switches Python's garbage collection off until this program ends. Called before an SDK is imported.

    An SDK defines a hundred thousand objects at import, and none of them ever becomes garbage. The collector walks
    them all the same, again and again while they are imported and once more at exit: half of all the time.
    """
    gc.disable()
    # What is frozen is passed over by the collection at exit, which a disabled collector runs too.
    atexit.register(gc.freeze)


def late(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose names are imported when they are first used. homes: module -> its names."""

    def attribute(name: str) -> Any:
        for module, names in homes.items():
            if name in names:
                return getattr(import_module(module, package), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return attribute
