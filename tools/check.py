"""Everything `make test` runs: parts, style, types, then every test. Ends with the first failing step's exit code.

`--quick` runs what needs neither parts nor servers.
"""

import subprocess
import sys

from tools.bring import bring, shellcheck
from tools.progress import Failure
from tools.workspace import ROOT

PACKAGES = "__main__.py settings components trellis migrator localcloud operations policies tools bench tests".split()

SCRIPTS = ("components", "localcloud")
QUICK = ("tests/unit", "tests/settings", "tests/migrator/unit", "tests/policies/test_policies.py")


def main() -> int:
    """Runs the steps in order."""
    module = (sys.executable, "-m")
    style = (
        ("ruff format", (*module, "ruff", "format", "--check", ".")),
        ("ruff check", (*module, "ruff", "check", ".")),
        ("mypy --strict", (*module, "mypy", *PACKAGES)),
    )
    if sys.argv[1:] == ["--quick"]:
        return _run(*style, ("pytest", (*module, "pytest", *QUICK)))
    try:
        bring()
        linter = shellcheck()
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    scripts = [str(path.relative_to(ROOT)) for folder in SCRIPTS for path in sorted((ROOT / folder).rglob("*.sh"))]
    return _run(
        ("shellcheck", (str(linter), *scripts)),
        *style,
        # A file's tests share servers, so a file stays on one worker; the third worker fills the others' waiting times.
        ("pytest", (*module, "pytest", "-n", "3", "--dist", "loadfile", "--no-loadscope-reorder", *sys.argv[1:])),
    )


def _run(*steps: tuple[str, tuple[str, ...]]) -> int:
    for title, command in steps:
        print(f"{title} ...", flush=True)
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if code:
            print(f"error: {title} failed with exit code {code}.", file=sys.stderr)
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
