"""The command line: which subcommand, and what its end means.

Modules are imported when a subcommand needs them: `trellis --help` loads none, and the commands of a database given by
`--url` load neither the settings nor what they need.
"""

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from trellis.operations.arguments import parser
from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.processes import exit_code, heed_termination

FAILED = 1
WRONG_CALL = 2

_OURS = ("trellis", "policies")
_MODULES = {
    "new": "trellis.operations.new",
    "dev": "trellis.development.dev",
    "recover": "trellis.operations.recover",
    "up": "trellis.operations.up",
    "check": "trellis.operations.check",
    "facts": "trellis.operations.facts",
    "restore": "trellis.operations.restore",
    "move": "trellis.operations.move.command",
    "backup": "trellis.operations.backup.command",
    "drill": "trellis.operations.drill.command",
    "rescue": "trellis.operations.rescue.command",
    "rotate": "trellis.operations.rotate.command",
    "status": "trellis.operations.status.command",
    "run": "trellis.operations.app_environment",
    "env": "trellis.operations.app_environment",
    "jobs": "trellis.operations.jobs.command",
    "monitoring": "trellis.operations.monitoring.command",
    "diagram": "trellis.operations.diagram.command",
    "preview-report": "trellis.operations.preview_report.command",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one subcommand; returns the exit code that docs/command.md describes.

    Raises SystemExit(2) for arguments that cannot be read, as argparse does.
    """
    heed_termination()
    try:
        try:
            options = parser().parse_args(arguments)
            run: Callable[..., int] = import_module(_MODULES.get(options.command, "trellis.operations.schema")).run
            return run(options)
        finally:
            sys.stdout.flush()
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] in _OURS:
            raise
        _say(f"error: {sys.executable} has no package {missing.name}. `make up` makes an environment that has it.")
        return FAILED
    except WrongCall as error:
        _say(f"error: {error}")
        return WRONG_CALL
    except OperationError as error:
        _say(f"error: {error}")
        return FAILED
    except KeyboardInterrupt as stopped:
        _say("Stopped. No migration is half done and recorded as done; run the same command again to go on.")
        # Threads of other databases may wait for a server that does not answer.
        os._exit(exit_code(stopped))
    except BrokenPipeError:
        # Whoever read the output has seen enough; the interpreter's own flush would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201
