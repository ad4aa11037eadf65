"""Puts provider plugins where Pulumi looks for them: official ones where there are any, else the bundled ones."""

import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from localcloud.providers.cloudflare import VERSION as CLOUDFLARE
from localcloud.providers.digitalocean import VERSION as DIGITALOCEAN
from localcloud.providers.random import VERSION as RANDOM

VERSIONS = {"digitalocean": DIGITALOCEAN, "cloudflare": CLOUDFLARE, "random": RANDOM}
MARK = "# The bundled plugin, written by localcloud.providers.install."
WRAPPER = """#!/bin/sh
{mark}
PYTHONPATH={root}${{PYTHONPATH:+:$PYTHONPATH}}
export PYTHONPATH
exec {python} -P -m localcloud.providers.{name} "$@"
"""


class Action(Enum):
    """What was done for a plugin."""

    KEPT = "official, as it was"
    LINKED = "official"
    BUNDLED = "bundled"
    UNCHANGED = "bundled, as it was"


@dataclass(frozen=True)
class Installed:
    """A plugin and how it came to be there. path: its folder among Pulumi's plugins."""

    name: str
    version: str
    action: Action
    path: Path

    @property
    def official(self) -> bool:
        """Whether this is the official plugin."""
        return self.action in (Action.KEPT, Action.LINKED)


def install(pulumi_home: Path, official: Path | None) -> list[Installed]:
    """Makes each plugin available in pulumi_home/plugins; a second call changes nothing.

    An official plugin of the same major version is used where it is in pulumi_home already or in `official`. None: the
    bundled ones, whatever is there.
    Raises OSError where the folder cannot be written.
    """
    plugins = pulumi_home / "plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    return [_install(name, version, plugins, official) for name, version in VERSIONS.items()]


def _install(name: str, version: str, plugins: Path, official: Path | None) -> Installed:
    # The engine asks for the version of the Python package, so any other official one is linked under that.
    folder = plugins / f"resource-{name}-v{version}"
    if official is None:
        if folder.is_dir() and not _is_bundled(folder):
            shutil.rmtree(folder)
        return _bundle(name, version, folder)
    if _is_official(folder, name):
        return Installed(name, version, Action.KEPT, folder)
    found = _official(name, version, plugins) or _official(name, version, official)
    if found is None:
        return _bundle(name, version, folder)
    _remove_bundled(folder)
    folder.mkdir(exist_ok=True)
    # Pulumi passes over a folder that is a link, but takes a linked program inside a real one.
    for part in found.iterdir():
        link = folder / part.name
        link.unlink(missing_ok=True)
        link.symlink_to(part.resolve())
    return Installed(name, found.name.partition("-v")[2], Action.LINKED, folder)


def _bundle(name: str, version: str, folder: Path) -> Installed:
    root = Path(__file__).resolve().parents[2]
    text = WRAPPER.format(mark=MARK, root=shlex.quote(str(root)), python=shlex.quote(sys.executable), name=name)
    wrapper = folder / f"pulumi-resource-{name}"
    if _is_bundled(folder) and wrapper.read_text() == text and wrapper.stat().st_mode & 0o111:
        return Installed(name, version, Action.UNCHANGED, folder)
    _remove_bundled(folder)
    folder.mkdir(exist_ok=True)
    # A link left by an official plugin that is gone must not be written through.
    wrapper.unlink(missing_ok=True)
    wrapper.write_text(text)
    wrapper.chmod(0o755)
    # A folder with this file beside it is one that Pulumi takes for half installed.
    folder.with_name(f"{folder.name}.partial").unlink(missing_ok=True)
    return Installed(name, version, Action.BUNDLED, folder)


def _official(name: str, version: str, plugins: Path) -> Path | None:
    """The newest official plugin of this major version in a plugins folder."""
    major = version.partition(".")[0]
    candidates: list[tuple[tuple[int, ...], Path]] = []
    for folder in plugins.glob(f"resource-{name}-v{major}.*") if plugins.is_dir() else []:
        matched = re.fullmatch(rf"resource-{name}-v(\d+)\.(\d+)\.(\d+)", folder.name)
        if matched and _is_official(folder, name):
            candidates.append((tuple(int(part) for part in matched.groups()), folder))
    return max(candidates)[1] if candidates else None


def _is_official(folder: Path, name: str) -> bool:
    half_done = folder.with_name(f"{folder.name}.partial").exists()
    return (folder / f"pulumi-resource-{name}").is_file() and not half_done and not _is_bundled(folder)


def _remove_bundled(folder: Path) -> None:
    if folder.is_dir() and _is_bundled(folder):
        shutil.rmtree(folder)


def _is_bundled(folder: Path) -> bool:
    for executable in folder.glob("pulumi-resource-*"):
        if executable.is_file():
            with executable.open("rb") as file:
                return MARK.encode() in file.read(4096)
    return False
