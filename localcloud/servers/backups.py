"""The backups of one PostgreSQL server: base backups, and every WAL segment since the oldest of them.

Together they bring back any moment since the first base backup was complete.
"""

import json
import math
import shlex
import tarfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from localcloud.servers.errors import NotFound, ServerError
from localcloud.servers.folders import remove
from localcloud.servers.postgresql import PostgresServer, Recovery
from localcloud.servers.replication import run_basebackup
from localcloud.waiting import until

WINDOW = timedelta(days=7)
"""How far back a point in time may be. Source: DigitalOcean's point-in-time recovery."""

ARCHIVE_PATIENCE = 120.0
"""Seconds the server may take to put its last WAL segment into the archive."""

_NAME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A base backup. created_at: the first whole second after it was complete, UTC. size: bytes on disk."""

    created_at: datetime
    size: int
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Backups:
    """What is kept in `folder` for a server: `wal/` and one folder a base backup in `base/`."""

    folder: Path
    replication_password: str = field(repr=False)

    def archive_command(self) -> str:
        """The shell command that keeps a WAL segment. It appears under its name when it is whole and on disk."""
        place = shlex.quote(str(self._wal)).replace("%", "%%")
        return f"gzip -1 -c %p > {place}/%f.part && sync {place}/%f.part && mv {place}/%f.part {place}/%f.gz"

    def recovery(self, at: datetime) -> Recovery:
        """How a server that starts from a base backup gets to the moment `at`."""
        place = shlex.quote(str(self._wal)).replace("%", "%%")
        return Recovery(restore_command=f"gzip -dc {place}/%f.gz > %p", until=at)

    def prepare(self, server: PostgresServer) -> None:
        """Make the folders, before the server starts."""
        server.account.private_folder(self.folder)
        server.account.private_folder(self._wal)

    def all(self) -> tuple[Backup, ...]:
        """The base backups, oldest first."""
        return tuple(_read(folder) for folder in sorted((self.folder / "base").glob("[0-9]*Z")))

    def take(self, server: PostgresServer, program: Path, now: datetime) -> Backup:
        """Copy the running server, and forget what has left the window. Raises ServerError; then nothing is kept."""
        account = server.account
        base = self.folder / "base"
        account.private_folder(base)
        unfinished = base / ".unfinished"
        remove(unfinished)
        try:
            run_basebackup(
                server,
                base,
                program,
                self.replication_password,
                f"--pgdata={unfinished}",
                "--format=tar",
                "--compress=gzip:1",
                # The archive has it.
                "--wal-method=none",
                "--checkpoint=fast",
            )
            account.own_tree(unfinished)
            folder = base / _next_second().strftime(_NAME)
            unfinished.rename(folder)
        except BaseException:
            remove(unfinished)
            raise
        self._forget_before(now - WINDOW)
        return _read(folder)

    def flush(self, server: PostgresServer) -> None:
        """Get everything the running server has done until now into the archive. Raises ServerError."""
        with server.connect() as connection:
            # A commit after the moment that is asked for: recovery stops only where it sees a later one.
            connection.execute("SELECT pg_current_xact_id()")
            row = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        last = self._wal / f"{row[0] if row else ''}.gz"
        if not until(last.exists, ARCHIVE_PATIENCE):
            raise ServerError(f"{server.label} does not archive its WAL: {last} is missing. Its log: {server.log}")

    def unpack(self, server: PostgresServer, at: datetime) -> None:
        """Fill another server's data directory from the newest base backup that was complete at `at`.

        Raises NotFound when there is none.
        """
        usable = [backup for backup in self.all() if backup.created_at <= at]
        if not usable:
            raise NotFound(f"There is no backup from before {at:%Y-%m-%dT%H:%M:%SZ} in {self.folder}.")
        server.account.private_folder(server.data)
        with tarfile.open(usable[-1].folder / "base.tar.gz") as archive:
            # Made by our own pg_basebackup; "data" would change the modes PostgreSQL insists on. Filters are newer than
            # the oldest Python.
            archive.extraction_filter = getattr(tarfile, "tar_filter", None)
            archive.extractall(server.data)  # noqa: S202
        server.account.own_tree(server.data)
        server.data.chmod(0o700)

    @property
    def _wal(self) -> Path:
        return self.folder / "wal"

    def _forget_before(self, oldest: datetime) -> None:
        """Remove the backups that no moment from `oldest` on needs, and the WAL from before those that stay."""
        found = self.all()
        older = [backup for backup in found if backup.created_at <= oldest]
        for backup in older[:-1]:
            remove(backup.folder)
        first = _first_segment(found[max(0, len(older) - 1)])
        for segment in self._wal.glob("*.gz"):
            # The first eight digits count timelines, which a backup's own history may span.
            if segment.name[8:24] < first[8:]:
                segment.unlink()


def _read(folder: Path) -> Backup:
    created_at = datetime.strptime(folder.name, _NAME).replace(tzinfo=UTC)
    return Backup(created_at=created_at, size=(folder / "base.tar.gz").stat().st_size, folder=folder)


def _next_second() -> datetime:
    """Waits for the next whole second, so that two backups never have the same one."""
    now = time.time()
    time.sleep(math.ceil(now) - now)
    return datetime.fromtimestamp(math.ceil(now), UTC)


def _first_segment(backup: Backup) -> str:
    """The name of the first WAL segment that recovery from this backup reads."""
    manifest = json.loads((backup.folder / "backup_manifest").read_text(encoding="utf-8"))
    start = manifest["WAL-Ranges"][0]
    high, low = (int(part, 16) for part in start["Start-LSN"].split("/"))
    return f"{start['Timeline']:08X}{high:08X}{low >> 24:08X}"
