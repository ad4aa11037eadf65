"""What a program looks up at a cloud instead of making it."""

from collections.abc import Callable
from typing import NoReturn

import pulumi


def ends_plainly(what: str) -> Callable[[Exception], NoReturn]:
    """For a look-up's `recover`: one that fails ends the program with one line. By itself it does with a traceback."""

    def end(error: Exception) -> NoReturn:
        raise pulumi.RunError(f"{what} cannot be looked up: {error}")

    return end
