"""Objects and their versions in the index."""

import json
import sqlite3
import uuid

from localcloud.spaces.errors import S3Error
from localcloud.spaces.store import Blob, Bucket, Transaction, Version, now

NULL = "null"
"""The version of an object that was written while its bucket kept no versions."""

LATEST = (
    "seq = (SELECT max(seq) FROM versions AS newer WHERE newer.bucket = versions.bucket AND newer.key = versions.key)"
)


def as_version(row: sqlite3.Row) -> Version:
    """A row of the index as a version."""
    return Version(**{**dict(row), "marker": bool(row["marker"]), "headers": json.loads(row["headers"])})


def find(transaction: Transaction, bucket: str, key: str, version: str | None = None) -> Version | None:
    """A version of an object, the latest unless one is named; None where there is none."""
    which, values = (LATEST, ()) if version is None else ("id = ?", (version,))
    row = transaction.index.execute(
        f"SELECT * FROM versions WHERE bucket = ? AND key = ? AND {which}",  # noqa: S608
        (bucket, key, *values),
    ).fetchone()
    return None if row is None else as_version(row)


def current(transaction: Transaction, bucket: str, key: str, version: str | None = None) -> Version:
    """A version with content. Raises NoSuchKey, NoSuchVersion, MethodNotAllowed for a marker asked for by name."""
    found = find(transaction, bucket, key, version)
    if found is None and version is not None:
        raise S3Error("NoSuchVersion", f"{bucket}/{key} has no version {version}.")
    if found is None:
        raise S3Error("NoSuchKey", f"There is no object {bucket}/{key}.")
    if found.marker:
        headers = {"x-amz-delete-marker": "true", "x-amz-version-id": found.id}
        if version is not None:
            raise S3Error("MethodNotAllowed", "This version marks a deletion; it has no content.", headers)
        raise S3Error("NoSuchKey", f"The object {bucket}/{key} is deleted.", headers)
    return found


def add(
    transaction: Transaction,
    bucket: Bucket,
    key: str,
    blob: Blob | None,
    headers: dict[str, str],
    acl: str,
    at: str = "",
) -> Version:
    """Adds the newest version of an object: content, or, without a blob, the marker that it is deleted.

    at: when that was, now unless it is given.
    """
    identity = uuid.uuid4().hex if bucket.versioning == "Enabled" else NULL
    if identity == NULL:
        _remove(transaction, bucket.name, key, NULL)
    cursor = transaction.index.execute(
        "INSERT INTO versions (bucket, key, id, marker, blob, size, etag, modified, headers, acl)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
        (
            bucket.name,
            key,
            identity,
            blob is None,
            blob.name if blob else "",
            blob.size if blob else 0,
            blob.etag if blob else "",
            at or now(),
            json.dumps(headers),
            acl,
        ),
    )
    return as_version(cursor.fetchone())


def delete(
    transaction: Transaction, bucket: Bucket, key: str, version: str | None = None, at: str = ""
) -> Version | None:
    """Deletes a named version for good, else the object as the bucket's versioning has it: by a marker, or for good.

    Returns the marker that was added, or what was removed; None where there was nothing.
    """
    if version is not None:
        return _remove(transaction, bucket.name, key, version)
    if bucket.versioning:
        return add(transaction, bucket, key, None, {}, "private", at)
    return _remove(transaction, bucket.name, key, NULL)


def _remove(transaction: Transaction, bucket: str, key: str, version: str) -> Version | None:
    row = transaction.index.execute(
        "DELETE FROM versions WHERE bucket = ? AND key = ? AND id = ? RETURNING *", (bucket, key, version)
    ).fetchone()
    if row is None:
        return None
    transaction.discard(row["blob"])
    return as_version(row)
