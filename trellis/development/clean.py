"""Stops the local cloud of a repository and deletes its data, for `make clean`."""

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from trellis.development.bring import Parts, cache_folder
from trellis.development.progress import Failure
from trellis.development.workspace import DEFAULT_PORT, Workspace
from trellis.operations import processes
from trellis.settings import SettingsError, stack_file


def clean(root: Path) -> int:
    """Deletes what lies outside the repository too. The cache of parts is shared with other ones and stays."""
    cache = cache_folder()
    parts = Parts(pulumi=cache / "pulumi", postgresql=cache / "postgresql", pgbouncer=cache / "pgbouncer")
    workspace = Workspace(folder=root / ".trellis", port=DEFAULT_PORT, parts=parts, python=Path(sys.executable))
    refuse_foreign_states(workspace.backend, root)
    if not workspace.cloud_state.exists():
        return 0
    code = processes.run(
        (sys.executable, "-m", "localcloud", "reset", "--yes"), cwd=root, env={**os.environ, **workspace.variables()}
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
    with suppress(SettingsError):
        return "digitalocean:apiEndpoint" in stack_file(file)
    return False
