"""The operating-system account the servers run as, and files only it may read."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud import files
from localcloud.servers.errors import FolderUnusable, ToolMissing

# PostgreSQL's own account first; "nobody" exists everywhere.
CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True, kw_only=True)
class Account:
    """Owner of the servers' processes and files. PostgreSQL and PgBouncer refuse to run as root."""

    name: str
    uid: int
    gid: int

    @classmethod
    def resolve(cls, name: str | None) -> "Account":
        """The account called `name`; None: the current user. Raises ToolMissing when there is no such account."""
        try:
            entry = pwd.getpwuid(os.geteuid()) if name is None else pwd.getpwnam(name)
        except KeyError:
            if name is None:
                # A container may run as a number that has no name.
                return cls(name=str(os.geteuid()), uid=os.geteuid(), gid=os.getegid())
            raise ToolMissing(f"The account {name!r}, which the servers should run as, does not exist.") from None
        return cls(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)

    @property
    def current(self) -> bool:
        return self.uid == os.geteuid()

    def process_options(self) -> dict[str, Any]:
        """Arguments for `subprocess.Popen` that make the child run as this account."""
        return {} if self.current else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        if not self.current:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own_tree(self, folder: Path) -> None:
        if self.current:
            return
        for parent, folders, others in os.walk(folder):
            self.own(Path(parent))
            for name in (*folders, *others):
                self.own(Path(parent, name))

    def private_folder(self, folder: Path) -> None:
        """Make `folder`, with its parents, readable by this account alone."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.own(folder)

    def write(self, path: Path, text: str, *, copy: bool = False) -> None:
        """Replace the file as a whole, for this account alone to read. copy: keep what was there before."""
        files.replace(path, text, self.own, copy=copy)

    def check_reach(self, path: Path) -> None:
        """Raise FolderUnusable when a folder above `path` may not be entered by this account."""
        for folder in reversed(path.resolve().parents):
            try:
                status = folder.stat()
            except FileNotFoundError:
                return
            needed = stat.S_IXUSR if status.st_uid == self.uid else stat.S_IXOTH
            if status.st_gid == self.gid and status.st_uid != self.uid:
                needed = stat.S_IXGRP
            if not self.current and not status.st_mode & needed:
                raise FolderUnusable(
                    f"{path} cannot be used: the servers run as {self.name!r}, and that account may not enter"
                    f" {folder} (mode {stat.S_IMODE(status.st_mode):04o}). Choose a place outside it, or run the"
                    " local cloud as an ordinary user. Nothing was changed."
                )
