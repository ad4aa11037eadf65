"""Calls of multipart uploads."""

import re

from localcloud.spaces import uploads
from localcloud.spaces.buckets import canned_acl
from localcloud.spaces.errors import S3Error
from localcloud.spaces.markup import Node, document, flag, parse
from localcloud.spaces.messages import Reply, Request
from localcloud.spaces.objects import copy_content, find_source, kept_headers, version_header

_COPIED_RANGE = re.compile(r"^bytes=(\d+)-(\d+)$")


def create_upload(request: Request) -> Reply:
    headers, acl = kept_headers(request), canned_acl(request)
    with request.store.transaction() as transaction:
        identity = uploads.start(transaction, request.bucket, request.key, headers, acl)
    return Reply(body=document("InitiateMultipartUploadResult", [*_names(request), ("UploadId", identity)]))


def upload_part(request: Request) -> Reply:
    number, identity = _part_number(request), request.query["uploadId"]
    with request.store.transaction() as transaction:
        uploads.find(transaction, request.bucket, request.key, identity)
        blob = request.content()
        uploads.add_part(transaction, identity, number, blob)
    return Reply(headers={"etag": f'"{blob.etag}"'})


def copy_part(request: Request) -> Reply:
    number, identity = _part_number(request), request.query["uploadId"]
    with request.store.transaction() as transaction:
        uploads.find(transaction, request.bucket, request.key, identity)
        source = find_source(transaction, request)
    first, length = 0, source.size
    asked = request.headers.get("x-amz-copy-source-range")
    if asked is not None:
        match = _COPIED_RANGE.match(asked)
        if match is None or not int(match[1]) <= int(match[2]) < source.size:
            raise S3Error("InvalidArgument", f"x-amz-copy-source-range {asked}: the source has {source.size} bytes.")
        first, length = int(match[1]), int(match[2]) - int(match[1]) + 1
    blob = copy_content(request.store, source, first, length)
    try:
        with request.store.transaction() as transaction:
            uploads.find(transaction, request.bucket, request.key, identity)
            written = uploads.add_part(transaction, identity, number, blob)
    except BaseException:
        request.store.remove(blob.name)
        raise
    return Reply(body=document("CopyPartResult", [("LastModified", written), ("ETag", f'"{blob.etag}"')]))


def complete_upload(request: Request) -> Reply:
    wanted = []
    for part in parse(request.body, "CompleteMultipartUpload").findall("Part"):
        number = part.findtext("PartNumber") or ""
        if not number.isdigit():
            raise S3Error("MalformedXML", "Every Part needs a PartNumber and an ETag.")
        wanted.append((int(number), part.findtext("ETag") or ""))
    if not wanted:
        raise S3Error("MalformedXML", "CompleteMultipartUpload must name the parts.")
    made = uploads.complete(request.store, request.bucket, request.key, request.query["uploadId"], wanted)
    body: list[Node] = [("Location", f"/{request.bucket}/{request.key}"), *_names(request), ("ETag", f'"{made.etag}"')]
    return Reply(body=document("CompleteMultipartUploadResult", body), headers=version_header(made))


def abort_upload(request: Request) -> Reply:
    identity = request.query["uploadId"]
    with request.store.transaction() as transaction:
        uploads.find(transaction, request.bucket, request.key, identity)
        uploads.abort(transaction, identity)
    return Reply(status=204)


def list_parts(request: Request) -> Reply:
    identity = request.query["uploadId"]
    limit = request.number("max-parts", 1000, 1000)
    after = request.number("part-number-marker", 0, uploads.MOST_PARTS)
    with request.store.transaction() as transaction:
        uploads.find(transaction, request.bucket, request.key, identity)
        found = [row for row in uploads.parts(transaction, identity) if row["number"] > after]
    shown: list[Node] = [
        (
            "Part",
            [
                ("PartNumber", row["number"]),
                ("LastModified", row["modified"]),
                ("ETag", f'"{row["etag"]}"'),
                ("Size", row["size"]),
            ],
        )
        for row in found[:limit]
    ]
    body: list[Node] = [
        *_names(request),
        ("UploadId", identity),
        ("PartNumberMarker", after),
        ("MaxParts", limit),
        ("IsTruncated", flag(len(found) > limit)),
        ("StorageClass", "STANDARD"),
    ]
    if found[:limit]:
        body.append(("NextPartNumberMarker", found[:limit][-1]["number"]))
    return Reply(body=document("ListPartsResult", [*body, *shown]))


def _names(request: Request) -> list[Node]:
    return [("Bucket", request.bucket), ("Key", request.key)]


def _part_number(request: Request) -> int:
    text = request.query.get("partNumber", "")
    if not text.isdigit() or not 1 <= int(text) <= uploads.MOST_PARTS:
        raise S3Error("InvalidArgument", f"partNumber must be from 1 to {uploads.MOST_PARTS}, not {text!r}.")
    return int(text)
