"""Stops the local cloud of this checkout and deletes its data, for `make clean`."""

import argparse
import os
import shutil
import sys
from pathlib import Path

import yaml

from tools import command
from tools.bring import Parts, cache_folder
from tools.progress import Failure
from tools.workspace import DEFAULT_PORT, ROOT, Workspace
from trellis.operations import processes


def main() -> int:
    """Deletes what lies outside the checkout too. The cache of built parts is shared with other checkouts and stays."""
    argparse.ArgumentParser(prog="python -m tools.clean", description=__doc__, epilog=command.EXIT_CODES).parse_args()
    cache = cache_folder()
    parts = Parts(pulumi=cache / "pulumi", postgresql=cache / "postgresql", pgbouncer=cache / "pgbouncer")
    workspace = Workspace(folder=ROOT / ".trellis", port=DEFAULT_PORT, parts=parts, python=Path(sys.executable))
    refuse_foreign_states(workspace.backend, ROOT)
    if not workspace.cloud_state.exists():
        return 0
    code = processes.run(
        (sys.executable, "-m", "localcloud", "reset", "--yes"), cwd=ROOT, env={**os.environ, **workspace.variables()}
    ).returncode
    shutil.rmtree(workspace.cloud_state, ignore_errors=True)
    return code


def refuse_foreign_states(backend: Path, root: Path) -> None:
    """Raises Failure for a state in this backend that `make up` did not make: its resources may be at DigitalOcean.

    Only a stack whose file leads it to a local cloud is `make up`'s.
    """
    foreign = [
        state
        for state in sorted((backend / ".pulumi" / "stacks").rglob("*.json"))
        if not _is_local(root / f"Pulumi.{state.stem}.yaml")
    ]
    if foreign:
        names = ", ".join(state.stem for state in foreign)
        raise Failure(
            f"{backend} holds the state of {names}, which `make up` did not make: no Pulumi.<stack>.yaml leads it to "
            "the local cloud. Nothing was deleted. Where the stack has resources, keep its state with "
            "`pulumi stack export --file FILE`; then `pulumi stack rm` takes it out of here. `. .trellis/env` leads "
            "pulumi to it."
        )


def _is_local(file: Path) -> bool:
    content = yaml.safe_load(file.read_text()) if file.is_file() else None
    return "digitalocean:apiEndpoint" in ((content or {}).get("config") or {})


if __name__ == "__main__":
    command.run(main)
