"""A local cloud's own arrangement of one PostgreSQL major version.

DigitalOcean's admin user may create extensions that PostgreSQL keeps for superusers, pg_stat_statements first of all.
PostgreSQL decides by one line, `trusted = true`, in the extension's control file, and finds control files relative to
its own program. So the local cloud runs a copy of the programs with links to everything else, and with those control
files changed; the installation it was made from stays as it is.
"""

import json
import os
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from localcloud.servers.errors import ToolMissing

TRUSTED = (
    "bloom",
    "dblink",
    "earthdistance",
    "intagg",
    "pg_buffercache",
    "pg_stat_statements",
    "pgrowlocks",
    "pgstattuple",
    "postgres_fdw",
    "sslinfo",
)
"""Contrib modules that need a superuser in PostgreSQL and that DigitalOcean lets its admin user create.

Source: docs.digitalocean.com/products/databases/postgresql/details/supported-extensions, less what is not in contrib.
"""

FINGERPRINT = "made-from.json"
_lock = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Programs and libraries of one major version. folder: the one with its bin and lib."""

    major: str
    folder: Path
    extensions: frozenset[str]

    def program(self, name: str) -> Path:
        return self.folder / "bin" / name


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Where an installation has its parts. home: the folder of bin and lib; home and share are relative to base."""

    base: Path
    home: Path
    share: Path


def prepare(tree: Path, target: Path) -> Installation:
    """Arrange the installation `tree` in `target`, once: bin, lib and share in one folder, or as Debian has them.

    It is made anew when the programs in `tree` have changed. Raises ToolMissing when `tree` is not complete.
    """
    layout = _layout(tree.resolve())
    home, share = layout.base / layout.home, layout.base / layout.share
    missing = [path for path in (home / "bin/postgres", home / "bin/initdb", home / "lib", share) if not path.exists()]
    control = next(iter(sorted(share.rglob("extension/plpgsql.control"))), None)
    if missing or control is None:
        lacking = ", ".join(map(str, missing)) or f"{share}/**/extension/plpgsql.control"
        raise ToolMissing(f"{tree} is not a complete PostgreSQL installation: it lacks {lacking}. Install it again.")
    extensions = frozenset(path.stem for path in control.parent.glob("*.control"))
    with _lock:
        made_from = _fingerprint(home)
        if _recorded(target) != made_from:
            _arrange(layout, control.parent.relative_to(layout.base), target, made_from)
    return Installation(major=tree.name, folder=target / layout.home, extensions=extensions)


def _layout(tree: Path) -> _Layout:
    if tree.parts[-3:-1] == ("lib", "postgresql") and not (tree / "share").exists():
        # PostgreSQL looks for share along the way that it was built with, from bin: that way must be the same.
        major = Path("postgresql", tree.name)
        return _Layout(base=tree.parents[2], home="lib" / major, share="share" / major)
    return _Layout(base=tree, home=Path(), share=Path("share"))


def _fingerprint(tree: Path) -> str:
    programs = sorted((tree / "bin").iterdir())
    files = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in programs]
    return json.dumps({"tree": str(tree), "programs": files, "trusted": TRUSTED})


def _recorded(target: Path) -> str | None:
    try:
        return (target / FINGERPRINT).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _arrange(layout: _Layout, extension_folder: Path, target: Path, made_from: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.parent.chmod(0o755)
    building = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        building.chmod(0o755)
        home = layout.base / layout.home
        _open_folder(building, layout.home / "bin")
        for program in (home / "bin").iterdir():
            _duplicate(program, building / layout.home / "bin" / program.name)
        (building / layout.home / "lib").symlink_to((home / "lib").resolve())
        _link_beside(layout, building, extension_folder)
        for name in TRUSTED:
            _trust(building / extension_folder / f"{name}.control")
        (building / FINGERPRINT).write_text(made_from, encoding="utf-8")
        if target.exists():
            # Servers that run from the old one keep their open files.
            target.rename(building / "replaced")
        building.rename(target)
        shutil.rmtree(target / "replaced", ignore_errors=True)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _open_folder(parent: Path, inside: Path) -> None:
    """Make the folders of `inside` that are missing, which the servers' account may enter whatever the umask is."""
    for depth in range(1, len(inside.parts) + 1):
        folder = parent / Path(*inside.parts[:depth])
        if not folder.exists():
            folder.mkdir()
            folder.chmod(0o755)


def _duplicate(program: Path, copy: Path) -> None:
    # A symbolic link would not do: PostgreSQL follows it back to the original and takes the files there.
    try:
        os.link(program.resolve(), copy)
    except OSError:
        shutil.copy2(program, copy)


def _link_beside(layout: _Layout, building: Path, extension_folder: Path) -> None:
    """Make each folder on the way down to the extensions real and link everything beside it, from `share` on."""
    _open_folder(building, extension_folder)
    for depth in range(len(layout.share.parts), len(extension_folder.parts) + 1):
        folder = Path(*extension_folder.parts[:depth])
        for entry in (layout.base / folder).iterdir():
            if not (building / folder / entry.name).exists():
                (building / folder / entry.name).symlink_to(entry.resolve())


def _trust(control: Path) -> None:
    if not control.exists():
        return
    text = control.read_text(encoding="utf-8")
    control.unlink()
    control.write_text(f"{text.rstrip()}\ntrusted = true\n", encoding="utf-8")
