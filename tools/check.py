"""Everything `make test` runs: parts, style, types, then every test. Ends with the first failing step's exit code."""

import subprocess
import sys

from tools.bring import bring
from tools.progress import Failure
from tools.workspace import ROOT

PACKAGES = "__main__.py settings components migrator localcloud operations policies tools bench tests".split()


def main() -> int:
    """Runs the steps in order."""
    try:
        bring()
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    for title, command in (
        ("ruff format", ("ruff", "format", "--check", ".")),
        ("ruff check", ("ruff", "check", ".")),
        ("mypy --strict", ("mypy", *PACKAGES)),
        # A file's tests share servers, so a file stays on one worker; the third worker fills the others' waiting times.
        ("pytest", ("pytest", "-n", "3", "--dist", "loadfile", "--no-loadscope-reorder", *sys.argv[1:])),
    ):
        print(f"{title} ...", flush=True)
        code = subprocess.run((sys.executable, "-m", *command), cwd=ROOT, check=False).returncode
        if code:
            print(f"error: {title} failed with exit code {code}.", file=sys.stderr)
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
