"""Which provider plugins a workspace runs with: official ones where Pulumi can fetch them, else the bundled ones."""

import os
import subprocess
from pathlib import Path

from localcloud.providers.install import VERSIONS, Installed, install
from trellis.development.progress import Failure
from trellis.development.workspace import Workspace
from trellis.operations import processes

OFFICIAL, BUNDLED = "official", "bundled"


def prepare(workspace: Workspace) -> list[Installed]:
    """Puts the plugins of the workspace's kind in place. Raises Failure where its folder cannot be written."""
    bundled = _kind(workspace).is_file() and _kind(workspace).read_text().strip() == BUNDLED
    try:
        return install(workspace.pulumi_home, None if bundled else _pulumis_own() / "plugins")
    except OSError as error:
        raise Failure(f"{workspace.pulumi_home}: the plugins cannot be installed there: {error}") from None


def choose(workspace: Workspace) -> None:
    """At a workspace's first `up`: fetches the official plugins, or says why it goes on with the bundled ones."""
    if _kind(workspace).exists():
        return
    try:
        switch(workspace, OFFICIAL)
    except Failure as error:
        print(f"{error}. The bundled ones do; `trellis dev plugins official` tries again.")
        _remember(workspace, OFFICIAL)


def switch(workspace: Workspace, kind: str) -> None:
    """From now on the workspace's stacks run with this kind of plugins. Raises Failure, and then nothing changes."""
    if kind == OFFICIAL:
        # Where Pulumi itself would put them, so that every stack of this account has them.
        environment = {**os.environ, **workspace.variables(), "PULUMI_HOME": str(_pulumis_own())}
        for name, version in VERSIONS.items():
            _fetch(name, version, environment)
    _remember(workspace, kind)


def _fetch(name: str, version: str, environment: dict[str, str]) -> None:
    command = ("pulumi", "plugin", "install", "resource", name, version, "--color", "never")
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    said = "it said nothing"
    with processes.guard(environment), subprocess.Popen(command, env=environment, **output) as pulumi:  # type: ignore[call-overload]
        try:
            for line in filter(str.strip, pulumi.stdout):
                said = line.strip().removeprefix("warning: Error downloading plugin: ")
                # Without a network Pulumi would try again for a quarter of a minute.
                if said != line.strip():
                    pulumi.terminate()
                    break
        except BaseException:
            pulumi.terminate()
            raise
    if pulumi.returncode:
        raise Failure(f"Pulumi could not fetch its {name} plugin {version}: {said}")


def _remember(workspace: Workspace, kind: str) -> None:
    workspace.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _kind(workspace).write_text(f"{kind}\n")


def _kind(workspace: Workspace) -> Path:
    return workspace.folder / "plugins"


def _pulumis_own() -> Path:
    return Path.home() / ".pulumi"
