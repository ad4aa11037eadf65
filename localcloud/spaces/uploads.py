"""Multipart uploads in the index, and their assembly."""

import hashlib
import json
import shutil
import sqlite3
import uuid
from collections.abc import Mapping, Sequence

from localcloud.spaces import versions
from localcloud.spaces.errors import S3Error
from localcloud.spaces.store import Blob, Store, Transaction, Version, keep, now

SMALLEST_PART = 5 * 1024 * 1024
MOST_PARTS = 10_000


def start(transaction: Transaction, bucket: str, key: str, headers: Mapping[str, str], acl: str) -> str:
    """Begins an upload and returns its id."""
    identity = uuid.uuid4().hex
    transaction.index.execute(
        "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?)", (identity, bucket, key, now(), json.dumps(dict(headers)), acl)
    )
    return identity


def find(transaction: Transaction, bucket: str, key: str, identity: str) -> sqlite3.Row:
    """An upload that is under way. Raises NoSuchUpload."""
    row: sqlite3.Row | None = transaction.index.execute(
        "SELECT * FROM uploads WHERE id = ? AND bucket = ? AND key = ?", (identity, bucket, key)
    ).fetchone()
    if row is None:
        raise S3Error("NoSuchUpload", f"No upload {identity} of {bucket}/{key} is under way.")
    return row


def parts(transaction: Transaction, identity: str) -> list[sqlite3.Row]:
    """The parts that are there, by number."""
    return transaction.index.execute("SELECT * FROM parts WHERE upload = ? ORDER BY number", (identity,)).fetchall()


def add_part(transaction: Transaction, identity: str, number: int, blob: Blob) -> str:
    """Adds a part, or puts it in the place of the one with this number. Returns when it was written."""
    old = transaction.index.execute(
        "DELETE FROM parts WHERE upload = ? AND number = ? RETURNING blob", (identity, number)
    ).fetchone()
    if old is not None:
        transaction.discard(old["blob"])
    written = now()
    transaction.index.execute(
        "INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?)", (identity, number, blob.name, blob.size, blob.etag, written)
    )
    return written


def abort(transaction: Transaction, identity: str) -> None:
    """Ends an upload and drops its parts."""
    for row in transaction.index.execute("DELETE FROM parts WHERE upload = ? RETURNING blob", (identity,)).fetchall():
        transaction.discard(row["blob"])
    transaction.index.execute("DELETE FROM uploads WHERE id = ?", (identity,))


def complete(store: Store, bucket: str, key: str, identity: str, wanted: Sequence[tuple[int, str]]) -> Version:
    """Makes the object of the parts. wanted: their numbers and ETags.

    Raises NoSuchUpload, InvalidPart, InvalidPartOrder, EntityTooSmall.
    """
    with store.transaction() as transaction:
        find(transaction, bucket, key, identity)
        chosen = _chosen(parts(transaction, identity), wanted)
    blob = _assemble(store, chosen)
    try:
        with store.transaction() as transaction:
            row = find(transaction, bucket, key, identity)
            target = transaction.bucket(bucket)
            made = versions.add(transaction, target, key, blob, json.loads(row["headers"]), row["acl"])
            abort(transaction, identity)
    except BaseException:
        store.remove(blob.name)
        raise
    return made


def _chosen(there: Sequence[sqlite3.Row], wanted: Sequence[tuple[int, str]]) -> list[sqlite3.Row]:
    by_number = {row["number"]: row for row in there}
    numbers = [number for number, _ in wanted]
    if numbers != sorted(set(numbers)):
        raise S3Error("InvalidPartOrder", "The parts must be listed by number, each once.")
    for number, etag in wanted:
        if number not in by_number or by_number[number]["etag"] != etag.strip('"'):
            raise S3Error("InvalidPart", f"There is no part {number} with ETag {etag}.")
    chosen = [by_number[number] for number in numbers]
    for row in chosen[:-1]:
        if row["size"] < SMALLEST_PART:
            raise S3Error("EntityTooSmall", f"Part {row['number']} is not the last and below {SMALLEST_PART} bytes.")
    return chosen


def _assemble(store: Store, chosen: Sequence[sqlite3.Row]) -> Blob:
    name, file = store.new_blob()
    try:
        for row in chosen:
            with store.open_blob(row["blob"]) as part:
                shutil.copyfileobj(part, file, 1024 * 1024)
        keep(file)
    except BaseException:
        file.close()
        store.remove(name)
        raise
    digest = hashlib.md5(b"".join(bytes.fromhex(row["etag"]) for row in chosen), usedforsecurity=False)
    size = sum(row["size"] for row in chosen)
    return Blob(name=name, size=size, etag=f"{digest.hexdigest()}-{len(chosen)}")
