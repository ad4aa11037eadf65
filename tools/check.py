"""Everything `make test` runs: parts, style, types, then every test. Ends with the first failing step's exit code.

`--quick` runs what needs neither parts nor servers.
"""

import argparse
import sys

from tools import ROOT, command
from trellis.development.bring import bring, shellcheck
from trellis.operations import processes

PACKAGES = "__main__.py components trellis localcloud policies tools bench tests".split()

SCRIPTS = ("components", "localcloud")
# Test files that are stopped first stop their servers, and xdist gives a worker 10 s before it kills it.
GRACE_SECONDS = 120.0
QUICK = ("tests/unit", "tests/settings", "tests/migrator/unit", "tests/policies/test_policies.py")


def main() -> int:
    """Runs the steps in order."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.check",
        description=f"{__doc__} Every other argument is pytest's.",
        epilog=command.EXIT_CODES,
    )
    parser.add_argument("--quick", action="store_true", help="run what needs neither parts nor servers")
    arguments, others = parser.parse_known_args()
    module = (sys.executable, "-m")
    style = (
        ("ruff format", (*module, "ruff", "format", "--check", ".")),
        ("ruff check", (*module, "ruff", "check", ".")),
        ("mypy --strict", (*module, "mypy", *PACKAGES)),
    )
    if arguments.quick:
        return _run(*style, ("pytest", (*module, "pytest", *QUICK, *others)))
    bring()
    linter = shellcheck()
    scripts = [str(path.relative_to(ROOT)) for folder in SCRIPTS for path in sorted((ROOT / folder).rglob("*.sh"))]
    return _run(
        ("shellcheck", (str(linter), *scripts)),
        *style,
        # A file's tests share servers, so a file stays on one worker; the third worker fills the others' waiting times.
        ("pytest", (*module, "pytest", "-n", "3", "--dist", "loadfile", "--no-loadscope-reorder", *others)),
    )


def _run(*steps: tuple[str, tuple[str, ...]]) -> int:
    for title, call in steps:
        print(f"{title} ...", flush=True)
        code = processes.run(call, cwd=ROOT, grace=GRACE_SECONDS).returncode
        if code:
            print(f"error: {title} failed with exit code {code}.", file=sys.stderr)
            return code
    return 0


if __name__ == "__main__":
    command.run(main)
