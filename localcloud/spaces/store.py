"""Buckets and objects on disk: an index in SQLite, and one file for each object's content.

Content is written and flushed before the index names it, and removed after the index forgot it. A crash in between
leaves a file that nothing names, which the next start removes.
"""

import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from localcloud.spaces.errors import S3Error
from localcloud.state import StateError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY, region TEXT NOT NULL, created TEXT NOT NULL, acl TEXT NOT NULL,
    versioning TEXT NOT NULL DEFAULT '', lifecycle TEXT NOT NULL DEFAULT '[]', cors TEXT NOT NULL DEFAULT '[]',
    policy TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS versions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, bucket TEXT NOT NULL REFERENCES buckets, key TEXT NOT NULL,
    id TEXT NOT NULL, marker INTEGER NOT NULL, blob TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    modified TEXT NOT NULL, headers TEXT NOT NULL, acl TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS versions_by_id ON versions (bucket, key, id);
CREATE INDEX IF NOT EXISTS versions_by_age ON versions (bucket, key, seq DESC);
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL REFERENCES buckets, key TEXT NOT NULL, created TEXT NOT NULL,
    headers TEXT NOT NULL, acl TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL REFERENCES uploads, number INTEGER NOT NULL, blob TEXT NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, modified TEXT NOT NULL, PRIMARY KEY (upload, number));
"""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket and its settings. versioning: "", "Enabled" or "Suspended". lifecycle, cors: lists of rules."""

    name: str
    region: str
    created: str
    acl: str
    versioning: str
    lifecycle: list[dict[str, Any]]
    cors: list[dict[str, Any]]
    policy: str


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of an object, or the marker that it was deleted. seq: grows with every write."""

    seq: int
    bucket: str
    key: str
    id: str
    marker: bool
    blob: str
    size: int
    etag: str
    modified: str
    headers: dict[str, str]
    acl: str


@dataclass(kw_only=True)
class Blob:
    """Content that was written and that no index entry names yet. etag: the MD5 of it, in hexadecimal."""

    name: str
    size: int
    etag: str


@dataclass
class Transaction:
    """The index, locked for one change. discard: content to be removed once the change is on disk."""

    index: sqlite3.Connection
    discarded: list[str] = field(default_factory=list)

    def bucket(self, name: str) -> Bucket:
        """Raises NoSuchBucket."""
        row = self.index.execute("SELECT * FROM buckets WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise S3Error("NoSuchBucket", f"There is no bucket called {name}.")
        rules = {column: json.loads(row[column]) for column in ("lifecycle", "cors")}
        return Bucket(**{**dict(row), **rules})

    def configure(self, name: str, column: str, value: str) -> None:
        """Sets one column of a bucket."""
        self.index.execute(f"UPDATE buckets SET {column} = ? WHERE name = ?", (value, name))  # noqa: S608

    def discard(self, blob: str) -> None:
        """Has the content removed when the change is done."""
        if blob:
            self.discarded.append(blob)


class Store:
    """The buckets of one account, in a folder. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._blobs = folder / "content"
        self._blobs.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._lock = threading.RLock()
        try:
            self._index = _open(folder / "index.sqlite", empty=not any(self._blobs.iterdir()))
        except sqlite3.DatabaseError as problem:
            raise StateError(
                f"{folder / 'index.sqlite'}: the index of all buckets cannot be read: {problem}. Nothing was changed. "
                f"Put it back from a copy, or remove {folder} with all buckets in it."
            ) from problem
        self._remove_unnamed()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """The index, to read and change. The change is on disk when the block ends; an exception undoes it."""
        with self._lock:
            transaction = Transaction(self._index)
            self._index.execute("BEGIN")
            try:
                yield transaction
                self._index.execute("COMMIT")
            except BaseException:
                self._index.execute("ROLLBACK")
                raise
        for blob in transaction.discarded:
            self.remove(blob)

    def names(self) -> set[str]:
        """The names of all buckets."""
        with self.transaction() as transaction:
            return {row["name"] for row in transaction.index.execute("SELECT name FROM buckets")}

    def new_blob(self) -> tuple[str, BinaryIO]:
        """A name and an empty file for new content. `keep` makes it last."""
        name = uuid.uuid4().hex
        return name, os.fdopen(os.open(self._blobs / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def open_blob(self, name: str) -> BinaryIO:
        """Content to read. It stays readable while it is open, also when it is removed."""
        return (self._blobs / name).open("rb")

    def remove(self, name: str) -> None:
        """Removes content that nothing names."""
        (self._blobs / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Closes the index."""
        with self._lock:
            self._index.close()

    def _remove_unnamed(self) -> None:
        rows = self._index.execute("SELECT blob FROM versions UNION ALL SELECT blob FROM parts")
        named = {row["blob"] for row in rows}
        for path in self._blobs.iterdir():
            if path.name not in named:
                path.unlink()


def _open(path: Path, *, empty: bool) -> sqlite3.Connection:
    """The index. empty: there is no content either. Raises sqlite3.DatabaseError."""
    # SQLite takes an empty file for a new index, and all content would then be removed, for no index names it.
    known = path.exists() and (path.stat().st_size or path.with_name(f"{path.name}-wal").exists())
    if not known and not empty:
        raise sqlite3.DatabaseError("it is empty or gone, and there is content")
    index = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    index.row_factory = sqlite3.Row
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        index.execute(f"PRAGMA {pragma}")
    index.executescript(_SCHEMA)
    return index


def keep(file: BinaryIO) -> None:
    """Makes sure what was written is on disk, and closes the file."""
    file.flush()
    os.fsync(file.fileno())
    file.close()


def moment(time: datetime) -> str:
    """A time as S3 writes it; the order of such strings is the order in time."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


def now() -> str:
    """The current time as S3 writes it."""
    return moment(datetime.now(UTC))


def time_of(moment: str) -> datetime:
    """The time that S3 writes so."""
    return datetime.fromisoformat(moment.replace("Z", "+00:00"))
