"""Stops the local cloud of this checkout and deletes its data, for `make clean`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.bring import Parts, cache_folder
from tools.workspace import DEFAULT_PORT, ROOT, Workspace


def main() -> int:
    """Deletes what lies outside the checkout too. The cache of built parts is shared with other checkouts and stays."""
    cache = cache_folder()
    parts = Parts(pulumi=cache / "pulumi", postgresql=cache / "postgresql", pgbouncer=cache / "pgbouncer")
    workspace = Workspace(folder=ROOT / ".trellis", port=DEFAULT_PORT, parts=parts, python=Path(sys.executable))
    if not workspace.cloud_state.exists():
        return 0
    code = subprocess.run(
        (sys.executable, "-m", "localcloud", "reset", "--yes"),
        cwd=ROOT,
        env={**os.environ, **workspace.variables()},
        check=False,
    ).returncode
    shutil.rmtree(workspace.cloud_state, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
