"""Spaces through AWS's own client: buckets, objects, lists, versions, uploads in parts, settings."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.localcloud.cloud import LocalCloud
from tests.localcloud.spaces import client, content, fill, named_by_host, refused

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def s3(cloud: LocalCloud) -> Any:
    return client(cloud)


def made(s3: Any, name: str, **more: Any) -> str:
    s3.create_bucket(Bucket=name, **more)
    return name


def test_life_of_a_bucket(s3: Any) -> None:
    made(s3, "life")
    assert "life" in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket="life")["LocationConstraint"] == "nyc3"
    with refused("BucketAlreadyExists", 409):
        made(s3, "life")
    fill(s3, "life", "rest")
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket="life")
    s3.delete_object(Bucket="life", Key="rest")
    s3.delete_bucket(Bucket="life")
    with refused("404", 404):
        s3.head_bucket(Bucket="life")
    with refused("NoSuchBucket", 404):
        s3.list_objects_v2(Bucket="life")


@pytest.mark.parametrize("name", ["Upper-Case", "under_score", "-dash-first"])
def test_a_bucket_needs_a_proper_name(s3: Any, name: str) -> None:
    with refused("InvalidBucketName", 400):
        made(s3, name)


def test_an_object_comes_back_as_it_was(s3: Any) -> None:
    made(s3, "objects")
    body = bytes(range(256)) * 1000
    put = s3.put_object(
        Bucket="objects",
        Key="a b/ü+%.bin",
        Body=body,
        ContentType="x/y",
        CacheControl="no-cache",
        Metadata={"of": "us"},
    )
    assert put["ETag"] == f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
    got = s3.get_object(Bucket="objects", Key="a b/ü+%.bin")
    assert got["Body"].read() == body
    assert (got["ContentType"], got["CacheControl"], got["Metadata"]) == ("x/y", "no-cache", {"of": "us"})
    head = s3.head_object(Bucket="objects", Key="a b/ü+%.bin")
    assert (head["ContentLength"], head["ETag"]) == (len(body), put["ETag"])
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket="objects", Key="a b/ü+%")


@pytest.mark.parametrize(
    ("asked", "found", "told"),
    [("bytes=2-4", b"234", "bytes 2-4/10"), ("bytes=7-", b"789", "bytes 7-9/10"), ("bytes=-2", b"89", "bytes 8-9/10")],
)
def test_a_range(s3: Any, asked: str, found: bytes, told: str) -> None:
    if "ranges" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        made(s3, "ranges")
    s3.put_object(Bucket="ranges", Key="digits", Body=b"0123456789")
    got = s3.get_object(Bucket="ranges", Key="digits", Range=asked)
    assert (got["Body"].read(), got["ContentRange"]) == (found, told)
    with refused("InvalidRange", 416):
        s3.get_object(Bucket="ranges", Key="digits", Range="bytes=10-")


def test_conditions(s3: Any) -> None:
    made(s3, "conditions")
    etag = s3.put_object(Bucket="conditions", Key="k", Body=b"1")["ETag"]
    with refused("304", 304):
        s3.get_object(Bucket="conditions", Key="k", IfNoneMatch=etag)
    with refused("PreconditionFailed", 412):
        s3.get_object(Bucket="conditions", Key="k", IfMatch='"other"')
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket="conditions", Key="k", Body=b"2", IfNoneMatch="*")
    assert content(s3, "conditions", "k") == b"1"


def test_copies(s3: Any) -> None:
    made(s3, "copies")
    s3.put_object(Bucket="copies", Key="from here", Body=b"content", Metadata={"a": "b"})
    s3.copy_object(Bucket="copies", Key="to", CopySource={"Bucket": "copies", "Key": "from here"})
    assert content(s3, "copies", "to") == b"content"
    assert s3.head_object(Bucket="copies", Key="to")["Metadata"] == {"a": "b"}
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket="copies", Key="to", CopySource="copies/to")
    s3.copy_object(Bucket="copies", Key="to", CopySource="copies/to", MetadataDirective="REPLACE", Metadata={"c": "d"})
    assert s3.head_object(Bucket="copies", Key="to")["Metadata"] == {"c": "d"}


def test_lists_with_prefix_and_delimiter(s3: Any) -> None:
    made(s3, "lists")
    fill(s3, "lists", "a", "b/1", "b/2", "b/c/3", "d/4", "e")
    top = s3.list_objects_v2(Bucket="lists", Delimiter="/")
    assert [item["Key"] for item in top["Contents"]] == ["a", "e"]
    assert [item["Prefix"] for item in top["CommonPrefixes"]] == ["b/", "d/"]
    below = s3.list_objects_v2(Bucket="lists", Delimiter="/", Prefix="b/")
    assert [item["Key"] for item in below["Contents"]] == ["b/1", "b/2"]
    assert [item["Prefix"] for item in below["CommonPrefixes"]] == ["b/c/"]
    assert [item["Key"] for item in s3.list_objects(Bucket="lists", Prefix="b/")["Contents"]] == ["b/1", "b/2", "b/c/3"]


@pytest.mark.parametrize("way", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_lists_come_in_pages(s3: Any, way: str, delimiter: str) -> None:
    bucket = made(s3, f"pages-{len(delimiter)}-{way.replace('_', '-')}")
    fill(s3, bucket, *(f"{letter}/{number}" for letter in "abc" for number in range(3)), "z")
    found = []
    for page in s3.get_paginator(way).paginate(Bucket=bucket, Delimiter=delimiter, PaginationConfig={"PageSize": 2}):
        inside = [item["Key"] for item in page.get("Contents", [])]
        inside += [item["Prefix"] for item in page.get("CommonPrefixes", [])]
        assert 1 <= len(inside) <= 2
        found += inside
    every = ["a/", "b/", "c/", "z"] if delimiter else [*(f"{letter}/{n}" for letter in "abc" for n in range(3)), "z"]
    assert sorted(found) == every


def test_deleting_many(s3: Any) -> None:
    made(s3, "many")
    keys = [f"{number:04}" for number in range(30)]
    fill(s3, "many", *keys)
    told = s3.delete_objects(Bucket="many", Delete={"Objects": [{"Key": key} for key in [*keys[:20], "not there"]]})
    assert len(told["Deleted"]) == 21
    assert s3.list_objects_v2(Bucket="many")["KeyCount"] == 10


def test_versions_are_listed_and_kept(s3: Any) -> None:
    made(s3, "versions")
    assert "Status" not in s3.get_bucket_versioning(Bucket="versions")
    s3.put_object(Bucket="versions", Key="k", Body=b"before")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="versions", Key="k", Body=b"first")["VersionId"]
    second = s3.put_object(Bucket="versions", Key="k", Body=b"second")["VersionId"]
    marker = s3.delete_object(Bucket="versions", Key="k")
    assert marker["DeleteMarker"] is True
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket="versions", Key="k")
    listed = s3.list_object_versions(Bucket="versions")
    assert [item["VersionId"] for item in listed["Versions"]] == [second, first, "null"]
    assert [(item["VersionId"], item["IsLatest"]) for item in listed["DeleteMarkers"]] == [(marker["VersionId"], True)]
    assert content(s3, "versions", "k", VersionId=first) == b"first"
    assert content(s3, "versions", "k", VersionId="null") == b"before"
    pages = s3.get_paginator("list_object_versions").paginate(Bucket="versions", PaginationConfig={"PageSize": 1})
    paged = [
        item["VersionId"] for page in pages for item in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
    ]
    assert paged == [marker["VersionId"], second, first, "null"]
    s3.delete_object(Bucket="versions", Key="k", VersionId=marker["VersionId"])
    assert content(s3, "versions", "k") == b"second"
    s3.delete_object(Bucket="versions", Key="k", VersionId=second)
    assert content(s3, "versions", "k") == b"first"
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket="versions", Key="k", Body=b"after")
    kept = s3.list_object_versions(Bucket="versions")["Versions"]
    assert [item["VersionId"] for item in kept] == ["null", first]
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket="versions")


def test_uploads_in_parts(s3: Any, cloud: LocalCloud) -> None:
    made(s3, "parts")
    upload = s3.create_multipart_upload(Bucket="parts", Key="big", Metadata={"a": "b"})["UploadId"]
    at = {"Bucket": "parts", "Key": "big", "UploadId": upload}
    pieces = [b"a" * (5 * MIB), b"b" * (5 * MIB), b"c" * 10]
    etags = [s3.upload_part(**at, PartNumber=number, Body=piece)["ETag"] for number, piece in enumerate(pieces, 1)]
    assert [part["Size"] for part in s3.list_parts(**at)["Parts"]] == [len(piece) for piece in pieces]
    assert [item["UploadId"] for item in s3.list_multipart_uploads(Bucket="parts")["Uploads"]] == [upload]
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket="parts")
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    with refused("InvalidPartOrder", 400):
        s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts[::-1]})
    with refused("EntityTooSmall", 400):
        small = s3.upload_part(**at, PartNumber=1, Body=b"small")["ETag"]
        s3.complete_multipart_upload(**at, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": small}, parts[1]]})
    s3.upload_part(**at, PartNumber=1, Body=pieces[0])
    done = s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})
    digests = b"".join(hashlib.md5(piece, usedforsecurity=False).digest() for piece in pieces)
    assert done["ETag"] == f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-3"'
    assert content(s3, "parts", "big") == b"".join(pieces)
    assert s3.head_object(Bucket="parts", Key="big")["Metadata"] == {"a": "b"}
    with refused("NoSuchUpload", 404):
        s3.list_parts(**at)
    (blob,) = [path for path in (cloud.state / "spaces/content").iterdir() if path.stat().st_size >= 5 * MIB]
    assert blob.stat().st_size == sum(map(len, pieces)), "the parts are gone from the disk"


def test_an_upload_can_be_given_up_and_made_of_copies(s3: Any) -> None:
    made(s3, "given-up")
    s3.put_object(Bucket="given-up", Key="source", Body=b"0123456789")
    at = {"Bucket": "given-up", "Key": "big"}
    upload = s3.create_multipart_upload(**at)["UploadId"]
    copied = s3.upload_part_copy(
        **at, UploadId=upload, PartNumber=1, CopySource="given-up/source", CopySourceRange="bytes=2-4"
    )["CopyPartResult"]["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": copied}]}
    s3.complete_multipart_upload(**at, UploadId=upload, MultipartUpload=parts)
    assert content(s3, "given-up", "big") == b"234"
    second = s3.create_multipart_upload(**at)["UploadId"]
    s3.abort_multipart_upload(**at, UploadId=second)
    with refused("NoSuchUpload", 404):
        s3.upload_part(**at, UploadId=second, PartNumber=1, Body=b"late")


def test_settings_come_back(s3: Any) -> None:
    made(s3, "settings")
    cors = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://*.villa.test"], "MaxAgeSeconds": 60}]
    cors.append({"ID": "anyone", "AllowedMethods": ["HEAD"], "AllowedOrigins": ["*"]})
    rules = [
        {
            "ID": "old",
            "Filter": {"Prefix": "daily/"},
            "Status": "Enabled",
            "Expiration": {"Days": 7},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 3},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2},
        }
    ]
    with refused("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket="settings")
    with refused("NoSuchLifecycleConfiguration", 404):
        s3.get_bucket_lifecycle_configuration(Bucket="settings")
    s3.put_bucket_cors(Bucket="settings", CORSConfiguration={"CORSRules": cors})
    s3.put_bucket_lifecycle_configuration(Bucket="settings", LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_cors(Bucket="settings")["CORSRules"] == cors
    assert s3.get_bucket_lifecycle_configuration(Bucket="settings")["Rules"] == rules
    s3.delete_bucket_cors(Bucket="settings")
    s3.delete_bucket_lifecycle(Bucket="settings")
    with refused("NoSuchLifecycleConfiguration", 404):
        s3.get_bucket_lifecycle_configuration(Bucket="settings")


def test_what_is_missing_is_named(s3: Any) -> None:
    made(s3, "missing")
    with refused("NotImplemented", 501):
        s3.put_bucket_tagging(Bucket="missing", Tagging={"TagSet": []})
    with refused("NotImplemented", 501):
        s3.get_bucket_encryption(Bucket="missing")
    with refused("NotImplemented", 501):
        s3.put_bucket_acl(Bucket="missing", ACL="public-read-write")


def test_buckets_named_by_host_belong_to_a_region(cloud: LocalCloud, s3: Any) -> None:
    fra1 = named_by_host(cloud, "fra1")
    made(fra1, "by-host")
    fill(fra1, "by-host", "a/b c")
    assert content(fra1, "by-host", "a/b c") == b"a/b c"
    assert s3.get_bucket_location(Bucket="by-host")["LocationConstraint"] == "fra1"
    with refused("NoSuchBucket", 404):
        named_by_host(cloud, "nyc3").list_objects_v2(Bucket="by-host")
    assert content(s3, "by-host", "a/b c") == b"a/b c"


def test_a_bucket_belongs_to_a_project(cloud: LocalCloud, s3: Any) -> None:
    made(s3, "assigned")
    body = {"name": "of-buckets", "purpose": "x", "environment": "Development"}
    project = cloud.post("/v2/projects", body)["project"]["id"]
    path = f"/v2/projects/{project}/resources"
    cloud.post(path, {"resources": ["do:space:assigned"]}, status=200)
    assert [item["urn"] for item in cloud.get(path)["resources"]] == ["do:space:assigned"]
    answer = cloud.post(path, {"resources": ["do:space:none"]}, status=200)["resources"]
    assert [item["status"] for item in answer] == ["not_found"]
    s3.delete_bucket(Bucket="assigned")
    assert cloud.get(path)["resources"] == []
    cloud.delete(f"/v2/projects/{project}")


def test_everything_is_there_after_a_restart(make_cloud: Any) -> None:
    cloud = make_cloud()
    s3 = client(cloud)
    made(s3, "kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    fill(s3, "kept", "k")
    upload = s3.create_multipart_upload(Bucket="kept", Key="big")["UploadId"]
    key = cloud.post("/v2/spaces/keys", {"name": "kept", "grants": [{"bucket": "kept", "permission": "read"}]})["key"]
    stray = cloud.state / "spaces/content/stray"
    stray.write_bytes(b"left by a crash")
    cloud.stop()
    assert key["secret_key"] not in (cloud.state / "state.json").read_text()
    cloud.start()
    limited = client(cloud, key["access_key"], key["secret_key"])
    assert content(limited, "kept", "k") == b"k"
    assert s3.get_bucket_versioning(Bucket="kept")["Status"] == "Enabled"
    assert s3.list_multipart_uploads(Bucket="kept")["Uploads"][0]["UploadId"] == upload
    assert not stray.exists()


def test_content_is_not_held_in_memory(make_cloud: Any) -> None:
    """The serving process grows by less than the object it takes in and hands out."""
    cloud = make_cloud()
    s3 = client(cloud, request_checksum_calculation="when_required")
    made(s3, "large")
    size = 300 * MIB
    pid = json.loads((cloud.state / "serve.lock").read_text())["pid"]
    before = _peak_bytes(pid)
    s3.put_object(Bucket="large", Key="zeros", Body=_Zeros(size))
    got = s3.get_object(Bucket="large", Key="zeros")["Body"]
    assert sum(len(piece) for piece in got.iter_chunks(MIB)) == size
    assert _peak_bytes(pid) - before < size / 3


class _Zeros(io.RawIOBase):
    """A file of zeros that takes no memory."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        size = self._size - self._at if size < 0 else min(size, self._size - self._at)
        self._at += size
        return bytes(size)


def _peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
