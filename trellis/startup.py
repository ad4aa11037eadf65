"""Makes the short programs that the engine starts begin and end faster."""

import atexit
import gc


def collect_nothing() -> None:
    """Switches Python's garbage collection off until this program ends. Called before an SDK is imported.

    An SDK defines a hundred thousand objects at import, and none of them ever becomes garbage. The collector walks
    them all the same, again and again while they are imported and once more at exit: half of all the time.
    """
    gc.disable()
    # What is frozen is passed over by the collection at exit, which a disabled collector runs too.
    atexit.register(gc.freeze)
