"""Everything `make test` runs: parts, style, types, then every test. Ends with the first failing step's exit code."""

import subprocess
import sys

from tools.bring import bring, shellcheck
from tools.progress import Failure
from tools.workspace import ROOT

PACKAGES = "__main__.py settings components migrator localcloud operations policies tools bench tests".split()

SCRIPTS = ("components", "localcloud")


def main() -> int:
    """Runs the steps in order."""
    try:
        bring()
        linter = shellcheck()
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    scripts = [str(path.relative_to(ROOT)) for folder in SCRIPTS for path in sorted((ROOT / folder).rglob("*.sh"))]
    module = (sys.executable, "-m")
    for title, command in (
        ("shellcheck", (str(linter), *scripts)),
        ("ruff format", (*module, "ruff", "format", "--check", ".")),
        ("ruff check", (*module, "ruff", "check", ".")),
        ("mypy --strict", (*module, "mypy", *PACKAGES)),
        # A file's tests share servers, so a file stays on one worker; the third worker fills the others' waiting times.
        ("pytest", (*module, "pytest", "-n", "3", "--dist", "loadfile", "--no-loadscope-reorder", *sys.argv[1:])),
    ):
        print(f"{title} ...", flush=True)
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if code:
            print(f"error: {title} failed with exit code {code}.", file=sys.stderr)
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
