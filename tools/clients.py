"""Puts the `trellis` command of this checkout, and PostgreSQL's client programs, into the environment's bin."""

import shlex
import sys
from pathlib import Path

from tools import ROOT
from trellis.development import clients

TRELLIS = """\
#!/bin/sh
# Runs the command from this checkout, whatever folder it is called in.
PYTHONPATH={root} exec {python} -m trellis "$@"
"""


def main() -> None:
    """Writes the command; links the clients that are not there yet."""
    clients.main()
    command = Path(sys.executable).parent / "trellis"
    command.write_text(TRELLIS.format(root=shlex.quote(str(ROOT)), python=shlex.quote(sys.executable)))
    command.chmod(0o755)


if __name__ == "__main__":
    main()
