"""Runs the command."""

import sys

try:
    from localcloud.cli import main
except ModuleNotFoundError as missing:
    if missing.name is None or missing.name.partition(".")[0] == "localcloud":
        raise
    sys.exit(f"error: {sys.executable} has no package {missing.name}. `make up` makes an environment that has it.")

sys.exit(main())
