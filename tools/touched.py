"""The stacks on DigitalOcean that a change of the current checkout touches, as a JSON list for a job's matrix."""

import argparse
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

import yaml

from tools import command

# A change of these may change every stack.
SHARED = tuple("__main__.py Pulumi.yaml requirements.txt components/ trellis/ policies/".split())


def touched(files: Iterable[str] | None, *roots: Path) -> list[str]:
    """Names of stacks, sorted. files: paths that changed, relative to a root; None means all stacks.

    roots: checkouts; what is a stack in one of them is one. A stack on the local cloud belongs to a developer's machine
    and is left out.
    """
    changed = None if files is None else list(files)
    found = set()
    for path in (path for root in roots for path in root.glob("Pulumi.*.yaml")):
        stack, config = path.name.split(".")[1], yaml.safe_load(path.read_text())["config"]
        if "digitalocean:apiEndpoint" in config:
            continue
        system = config["trellis:system"]
        own = (path.name, f"policies.{stack}.json", f"systems/{system}.yaml", f"migrations/{system}/", *SHARED)
        if changed is None or any(file.startswith(own) for file in changed):
            found.add(stack)
    return sorted(found)


def main() -> int:
    """Prints the list. Fails as git does for a commit that is not there."""
    parser = argparse.ArgumentParser(prog="python -m tools.touched", description=__doc__, epilog=command.EXIT_CODES)
    parser.add_argument(
        "--since", metavar="COMMIT", help="what changed after this commit; without it, and for 000…, all stacks"
    )
    parser.add_argument(
        "--base", type=Path, metavar="FOLDER", help="a checkout of what a pull request goes to: its stacks count, too"
    )
    options = parser.parse_args()
    here = Path()
    files = changed(options.since, here) if (options.since or "").strip("0") else None
    print(json.dumps(touched(files, here, *([options.base] if options.base else []))))
    return 0


def changed(since: str, root: Path) -> list[str]:
    """The paths that changed after a commit, whatever characters are in them."""
    diff = ("git", "diff", "--name-only", "-z", f"{since}...HEAD")
    return subprocess.run(diff, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")[:-1]


if __name__ == "__main__":
    command.run(main)
