"""Stops the local cloud of this checkout and deletes its data, for `make clean`."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from operations import processes
from tools import command
from tools.bring import Parts, cache_folder
from tools.workspace import DEFAULT_PORT, ROOT, Workspace


def main() -> int:
    """Deletes what lies outside the checkout too. The cache of built parts is shared with other checkouts and stays."""
    argparse.ArgumentParser(prog="python -m tools.clean", description=__doc__, epilog=command.EXIT_CODES).parse_args()
    cache = cache_folder()
    parts = Parts(pulumi=cache / "pulumi", postgresql=cache / "postgresql", pgbouncer=cache / "pgbouncer")
    workspace = Workspace(folder=ROOT / ".trellis", port=DEFAULT_PORT, parts=parts, python=Path(sys.executable))
    if not workspace.cloud_state.exists():
        return 0
    code = processes.run(
        (sys.executable, "-m", "localcloud", "reset", "--yes"), cwd=ROOT, env={**os.environ, **workspace.variables()}
    ).returncode
    shutil.rmtree(workspace.cloud_state, ignore_errors=True)
    return code


if __name__ == "__main__":
    command.run(main)
