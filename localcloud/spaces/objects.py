"""Calls about single objects: put, get, head, copy, delete, and who may read them."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

from localcloud.spaces import versions
from localcloud.spaces.access import authorise
from localcloud.spaces.buckets import canned_acl, show_acl
from localcloud.spaces.errors import S3Error, not_implemented
from localcloud.spaces.keys import Need
from localcloud.spaces.markup import Node, document, flag, parse
from localcloud.spaces.messages import Reply, Request, http_date
from localcloud.spaces.store import Blob, Store, Transaction, Version, keep, time_of

LARGEST_PUT = 5 * 1024**3
"""Bytes in one request; larger objects are uploaded in parts."""

_LONGEST_KEY = 1024
_MOST_DELETED = 1000
_META = "x-amz-meta-"
_KEPT = ("cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires")
_REFUSED = (
    "x-amz-server-side-encryption-customer-",
    "x-amz-tagging",
    "x-amz-object-lock-",
    "x-amz-website-redirect-location",
)
_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")
_COPY_CHUNK = 1024 * 1024


def put_object(request: Request) -> Reply:
    headers, acl = kept_headers(request), canned_acl(request)
    with request.store.transaction() as transaction:
        bucket = transaction.bucket(request.bucket)
        there = versions.find(transaction, request.bucket, request.key)
        if request.headers.get("if-none-match") == "*" and there is not None and not there.marker:
            raise S3Error("PreconditionFailed", f"{request.bucket}/{request.key} is there already.")
        made = versions.add(transaction, bucket, request.key, request.content(), headers, acl)
    return Reply(headers={"etag": f'"{made.etag}"', **version_header(made)})


def get_object(request: Request) -> Reply:
    with request.store.transaction() as transaction:
        found = versions.current(transaction, request.bucket, request.key, request.version)
        file = request.store.open_blob(found.blob)
    try:
        reply = _described(request, found)
        if reply.status == 304:
            file.close()
            return reply
        first, last = _range(request.headers.get("range", ""), found.size)
        file.seek(first)
    except BaseException:
        file.close()
        raise
    length = last - first + 1
    headers = {**reply.headers, "content-length": str(length)}
    if length == found.size:
        return Reply(headers=headers, file=file, length=length)
    headers["content-range"] = f"bytes {first}-{last}/{found.size}"
    return Reply(status=206, headers=headers, file=file, length=length)


def head_object(request: Request) -> Reply:
    with request.store.transaction() as transaction:
        found = versions.current(transaction, request.bucket, request.key, request.version)
    return _described(request, found)


def delete_object(request: Request) -> Reply:
    with request.store.transaction() as transaction:
        bucket = transaction.bucket(request.bucket)
        gone = versions.delete(transaction, bucket, request.key, request.version)
    headers = version_header(gone) if gone else {}
    if gone is not None and gone.marker:
        headers["x-amz-delete-marker"] = "true"
    return Reply(status=204, headers=headers)


def delete_objects(request: Request) -> Reply:
    """Deletes up to 1000 objects or versions; each is reported, those too that are gone already or must stay."""
    tree = parse(request.body, "Delete")
    asked = [(item.findtext("Key") or "", item.findtext("VersionId")) for item in tree.findall("Object")]
    if not 0 < len(asked) <= _MOST_DELETED or not all(key for key, _ in asked):
        raise S3Error("MalformedXML", f"Delete names from 1 to {_MOST_DELETED} objects by their keys.")
    quiet = tree.findtext("Quiet") == "true"
    shown: list[Node] = []
    with request.store.transaction() as transaction:
        bucket = transaction.bucket(request.bucket)
        for key, version in asked:
            try:
                authorise(transaction, request.caller, "s3:DeleteObject", Need.WRITE, request.bucket, key, version)
            except S3Error as error:
                shown.append(("Error", [("Key", key), ("Code", error.code), ("Message", error.message)]))
                continue
            gone = versions.delete(transaction, bucket, key, version)
            if not quiet:
                shown.append(("Deleted", _deleted(key, version, gone)))
    return Reply(body=document("DeleteResult", shown))


def copy_object(request: Request) -> Reply:
    """A copy within Spaces, headers and all, unless the request brings its own."""
    with request.store.transaction() as transaction:
        source = find_source(transaction, request)
        latest = versions.find(transaction, request.bucket, request.key)
    replaces = request.headers.get("x-amz-metadata-directive") == "REPLACE"
    if source == latest and not replaces:
        raise S3Error("InvalidRequest", "A copy onto itself must change the headers: x-amz-metadata-directive REPLACE.")
    headers = kept_headers(request) if replaces else source.headers
    blob = copy_content(request.store, source, 0, source.size)
    try:
        with request.store.transaction() as transaction:
            bucket = transaction.bucket(request.bucket)
            made = versions.add(transaction, bucket, request.key, blob, headers, canned_acl(request))
    except BaseException:
        request.store.remove(blob.name)
        raise
    body: list[Node] = [("LastModified", made.modified), ("ETag", f'"{made.etag}"')]
    return Reply(
        body=document("CopyObjectResult", body),
        headers={**version_header(made), "x-amz-copy-source-version-id": source.id},
    )


def get_object_acl(request: Request) -> Reply:
    with request.store.transaction() as transaction:
        found = versions.current(transaction, request.bucket, request.key, request.version)
    return Reply(body=show_acl(found.acl))


def put_object_acl(request: Request) -> Reply:
    acl = canned_acl(request)
    with request.store.transaction() as transaction:
        found = versions.current(transaction, request.bucket, request.key, request.version)
        transaction.index.execute("UPDATE versions SET acl = ? WHERE seq = ?", (acl, found.seq))
    return Reply()


def find_source(transaction: Transaction, request: Request) -> Version:
    """The object a copy is made of, if the caller may read it. Raises AccessDenied, NoSuchKey and others."""
    path, _, version = unquote(request.headers["x-amz-copy-source"]).partition("?versionId=")
    bucket, _, key = path.removeprefix("/").partition("/")
    if not key:
        raise S3Error("InvalidArgument", "x-amz-copy-source must be BUCKET/KEY, with ?versionId=… where one is meant.")
    authorise(transaction, request.caller, "s3:GetObject", Need.READ, bucket, key, version or None)
    return versions.current(transaction, bucket, key, version or None)


def copy_content(store: Store, source: Version, first: int, length: int) -> Blob:
    """New content made of a piece of old. Raises NoSuchKey where it has just gone."""
    digest = hashlib.md5(usedforsecurity=False)
    name, file = store.new_blob()
    try:
        with store.open_blob(source.blob) as old:
            old.seek(first)
            left = length
            while left and (data := old.read(min(left, _COPY_CHUNK))):
                digest.update(data)
                file.write(data)
                left -= len(data)
        keep(file)
    except FileNotFoundError:
        file.close()
        store.remove(name)
        raise S3Error("NoSuchKey", f"{source.bucket}/{source.key} was deleted just now.") from None
    return Blob(name=name, size=length, etag=digest.hexdigest())


def kept_headers(request: Request) -> dict[str, str]:
    """The headers that are kept with an object. Raises NotImplemented, KeyTooLongError."""
    if len(request.key.encode()) > _LONGEST_KEY:
        raise S3Error("KeyTooLongError", f"A key has at most {_LONGEST_KEY} bytes.")
    for name in request.headers:
        if name.startswith(_REFUSED):
            raise not_implemented(name)
    kept = {name: value for name, value in request.headers.items() if name in _KEPT or name.startswith(_META)}
    encodings = [item.strip() for item in kept.pop("content-encoding", "").split(",")]
    # How the request was sent, not what the object is.
    encodings = [item for item in encodings if item not in ("", "aws-chunked")]
    if encodings:
        kept["content-encoding"] = ", ".join(encodings)
    kept.setdefault("content-type", "binary/octet-stream")
    return kept


def version_header(version: Version) -> dict[str, str]:
    """The header that names a version, {} where no versions are kept."""
    return {} if version.id == versions.NULL else {"x-amz-version-id": version.id}


def _described(request: Request, found: Version) -> Reply:
    """The headers of an object, with the status its conditions lead to. Raises PreconditionFailed."""
    headers = {
        **found.headers,
        "etag": f'"{found.etag}"',
        "last-modified": http_date(found.modified),
        "content-length": str(found.size),
        "accept-ranges": "bytes",
        **version_header(found),
    }
    for name in _KEPT:
        if f"response-{name}" in request.query:
            headers[name] = request.query[f"response-{name}"]
    if not _wanted(request.headers, found):
        return Reply(status=304, headers={name: headers[name] for name in ("etag", "last-modified")})
    return Reply(headers=headers)


def _wanted(headers: Mapping[str, str], found: Version) -> bool:
    if "if-match" in headers and not _names(headers["if-match"], found.etag):
        raise S3Error("PreconditionFailed", "The object has another ETag than If-Match names.")
    if "if-none-match" in headers:
        return not _names(headers["if-none-match"], found.etag)
    since = headers.get("if-modified-since")
    if since is None:
        return True
    try:
        return time_of(found.modified).replace(microsecond=0) > parsedate_to_datetime(since).replace(tzinfo=UTC)
    except ValueError:
        return True


def _names(etags: str, etag: str) -> bool:
    return any(item.strip().strip('"') in (etag, "*") for item in etags.split(","))


def _range(text: str, size: int) -> tuple[int, int]:
    """The first and last byte of a Range; everything where there is none. Raises InvalidRange."""
    match = _RANGE.match(text.strip())
    if match is None or match.groups() == ("", ""):
        return 0, size - 1
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    if start > end or start >= size:
        raise S3Error("InvalidRange", f"The object has {size} bytes.", {"content-range": f"bytes */{size}"})
    return start, end


def _deleted(key: str, version: str | None, gone: Version | None) -> list[Node]:
    shown: list[Node] = [("Key", key)]
    if version is not None:
        shown.append(("VersionId", version))
    if gone is not None and gone.marker:
        shown += [("DeleteMarker", flag(True)), ("DeleteMarkerVersionId", gone.id)]
    return shown
