"""Calls that list what is in a bucket: objects in both ways, versions, open uploads."""

import base64
from collections.abc import Iterable
from urllib.parse import quote

from localcloud.spaces.errors import S3Error
from localcloud.spaces.listing import Page, Question, list_versions
from localcloud.spaces.markup import Node, document, flag
from localcloud.spaces.messages import OWNER, Reply, Request
from localcloud.spaces.store import Version

_MOST = 1000


def list_objects(request: Request) -> Reply:
    """The first way: pages go on behind a key."""
    after = request.query.get("marker", "")
    page, limit = _page(request, after)
    body = [*_head(request, limit, page), ("Marker", _shown(request, after))]
    if page.last is not None:
        body.append(("NextMarker", _shown(request, page.last[0])))
    return _result("ListBucketResult", request, body, page)


def list_objects_2(request: Request) -> Reply:
    """The second way: pages go on with an opaque token."""
    token = request.query.get("continuation-token", "")
    after = _opened(token) if token else request.query.get("start-after", "")
    page, limit = _page(request, after)
    body = [*_head(request, limit, page), ("KeyCount", len(page.versions) + len(page.prefixes))]
    if token:
        body.append(("ContinuationToken", token))
    if request.query.get("start-after"):
        body.append(("StartAfter", _shown(request, request.query["start-after"])))
    if page.last is not None:
        body.append(("NextContinuationToken", base64.urlsafe_b64encode(page.last[0].encode()).decode()))
    return _result("ListBucketResult", request, body, page)


def list_object_versions(request: Request) -> Reply:
    after, version = request.query.get("key-marker", ""), request.query.get("version-id-marker", "")
    page, limit = _page(request, after, version, all_versions=True)
    body = [*_head(request, limit, page), ("KeyMarker", _shown(request, after)), ("VersionIdMarker", version)]
    if page.last is not None:
        body += [("NextKeyMarker", _shown(request, page.last[0])), ("NextVersionIdMarker", page.last[1])]
    shown: list[Node] = [
        (
            "DeleteMarker" if item.marker else "Version",
            [
                *_item(request, item),
                ("VersionId", item.id),
                ("IsLatest", flag(item.seq in page.latest)),
                ("Owner", [("ID", OWNER), ("DisplayName", OWNER)]),
            ],
        )
        for item in page.versions
    ]
    return Reply(body=document("ListVersionsResult", [*body, *shown, *_prefixes(request, page.prefixes)]))


def list_uploads(request: Request) -> Reply:
    """The open uploads, in one page: there are at most as many as fit in one."""
    prefix = request.query.get("prefix", "")
    with request.store.transaction() as transaction:
        rows = transaction.index.execute(
            "SELECT id, key, created FROM uploads WHERE bucket = ? ORDER BY key, created", (request.bucket,)
        ).fetchall()
    shown: list[Node] = [
        ("Upload", [("Key", _shown(request, row["key"])), ("UploadId", row["id"]), ("Initiated", row["created"])])
        for row in rows
        if row["key"].startswith(prefix)
    ]
    body: list[Node] = [("Bucket", request.bucket), ("Prefix", _shown(request, prefix)), ("IsTruncated", flag(False))]
    return Reply(body=document("ListMultipartUploadsResult", [*body, *shown]))


def _page(request: Request, after: str, version: str = "", *, all_versions: bool = False) -> tuple[Page, int]:
    limit = request.number("max-keys", _MOST, _MOST)
    question = Question(
        bucket=request.bucket,
        prefix=request.query.get("prefix", ""),
        delimiter=request.query.get("delimiter", ""),
        after=after,
        after_version=version,
        limit=limit,
        all_versions=all_versions,
    )
    with request.store.transaction() as transaction:
        return (list_versions(transaction, question) if limit else Page()), limit


def _head(request: Request, limit: int, page: Page) -> list[Node]:
    head: list[Node] = [
        ("Name", request.bucket),
        ("Prefix", _shown(request, request.query.get("prefix", ""))),
        ("MaxKeys", limit),
        ("IsTruncated", flag(page.last is not None)),
    ]
    if request.query.get("delimiter"):
        head.append(("Delimiter", _shown(request, request.query["delimiter"])))
    if request.query.get("encoding-type") == "url":
        head.append(("EncodingType", "url"))
    return head


def _result(root: str, request: Request, body: list[Node], page: Page) -> Reply:
    shown: list[Node] = [("Contents", _item(request, item)) for item in page.versions]
    return Reply(body=document(root, [*body, *shown, *_prefixes(request, page.prefixes)]))


def _item(request: Request, item: Version) -> list[Node]:
    named: list[Node] = [("Key", _shown(request, item.key)), ("LastModified", item.modified)]
    if item.marker:
        return named
    return [*named, ("ETag", f'"{item.etag}"'), ("Size", item.size), ("StorageClass", "STANDARD")]


def _prefixes(request: Request, prefixes: Iterable[str]) -> list[Node]:
    return [("CommonPrefixes", [("Prefix", _shown(request, prefix))]) for prefix in prefixes]


def _shown(request: Request, key: str) -> str:
    return quote(key, safe="") if request.query.get("encoding-type") == "url" else key


def _opened(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise S3Error("InvalidArgument", "The continuation token is not one that was given out.") from None
