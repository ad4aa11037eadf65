"""Everything `make test` runs: parts, style, types, then every test. Ends with the first failing step's exit code.

`--quick` runs what needs neither parts nor servers.
"""

import argparse
import sys
from collections.abc import Iterator

from tools import ROOT, command
from trellis.development.bring import PYTHONS, bring, python, shellcheck
from trellis.operations import processes

PACKAGES = "__main__.py components trellis localcloud policies tools bench tests".split()

SCRIPTS = ("components", "localcloud")
# Test files that are stopped first stop their servers, and xdist gives a worker 10 s before it kills it.
GRACE_SECONDS = 120.0
# A file's tests share servers, so a file stays on one worker; the third worker fills the others' waiting times.
SIDE_BY_SIDE = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
QUICK = ("tests/unit", "tests/settings", "tests/migrator/unit", "tests/policies/test_policies.py")
# What every Python that is promised must pass. The newcomer's main job runs on the oldest.
ON_EACH_PYTHON = ("tests/unit", "tests/settings", "tests/migrator", "tests/policies/test_policies.py")


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
        ("pytest", (*module, "pytest", *SIDE_BY_SIDE, *others)),
        *_on_other_pythons(),
    )


def _on_other_pythons() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Steps for the oldest and the newest Python that are promised, where this is not one of them."""
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    for version in [version for version in PYTHONS if version != this]:
        folder = f".venv/other/{version}"
        make = ("make", "--silent", "venv", f"PYTHON={python(version)}", f"VENV={folder}", f"READY={folder}/.ready")
        yield f"Python {version}", make
        yield f"pytest, Python {version}", (f"{folder}/bin/python", "-m", "pytest", *SIDE_BY_SIDE, *ON_EACH_PYTHON)


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
