"""How every command of this folder ends: with a plain line and an exit code, never with a traceback."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from trellis.operations.errors import OperationError
from trellis.operations.processes import exit_code, heed_termination

EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 wrong call, 130 stopped by Ctrl-C, 143 stopped by SIGTERM."


def run(main: Callable[[], int]) -> NoReturn:
    """Runs a command as this process: 1 for an error that it explains, 130 after Ctrl-C, 143 after SIGTERM."""
    heed_termination()
    try:
        try:
            code = main()
        finally:
            sys.stdout.flush()
    except OperationError as failure:
        print(f"error: {failure}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt as stopped:
        print("\nStopped. Run the same command again to go on.", file=sys.stderr)
        code = exit_code(stopped)
    except BrokenPipeError:
        # Whoever read the output has seen enough; the interpreter's own flush would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)
