"""Where the server programs are and as whom they run."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The programs a local cloud runs.

    postgresql: folder with one self-contained PostgreSQL installation (bin, lib, share) per major version.
    pgbouncer: the PgBouncer program.
    installations: folder in the local cloud's state for its own arrangement of each major (see `installation`).
    pg_basebackup: the program, or None to look it up when the first replica is made.
    account: OS user the servers run as when the local cloud runs as root; None runs them as the current user.
    """

    postgresql: Path
    pgbouncer: Path
    installations: Path
    pg_basebackup: Path | None = None
    account: str | None = None

    @classmethod
    def locate(cls, postgresql: Path, pgbouncer: Path, state: Path) -> "Tools":
        """The tools for a local cloud whose state folder is `state`; picks the account when run as root.

        Raises ToolMissing, FolderUnusable.
        """
        raise NotImplementedError

    def majors(self) -> tuple[str, ...]:
        """Installed major versions, oldest first."""
        raise NotImplementedError
