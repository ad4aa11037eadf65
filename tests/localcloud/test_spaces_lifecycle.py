"""Lifecycle rules carried out, at times of the test's choosing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.localcloud.cloud import LocalCloud
from tests.localcloud.spaces import client, content, fill, refused


@pytest.fixture(scope="module")
def s3(cloud: LocalCloud) -> Any:
    return client(cloud)


def sweep(cloud: LocalCloud, days: float) -> dict[str, int]:
    """Carries out the rules as if it were so many days later. What was removed, by kind, if any."""
    at = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    removed = cloud.post("/_local/spaces/sweep", {"at": at}, status=200)["removed"]
    return {kind: number for kind, number in removed.items() if number}


def rule(s3: Any, bucket: str, **actions: Any) -> None:
    rules = [{"ID": "r", "Filter": {"Prefix": ""}, "Status": "Enabled"} | actions]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})


def keys(s3: Any, bucket: str) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_objects_disappear_after_their_days(cloud: LocalCloud, s3: Any) -> None:
    s3.create_bucket(Bucket="days")
    fill(s3, "days", "daily/a", "daily/b", "kept")
    rule(s3, "days", Filter={"Prefix": "daily/"}, Expiration={"Days": 7})
    assert sweep(cloud, 6.9) == {}
    assert keys(s3, "days") == ["daily/a", "daily/b", "kept"]
    assert sweep(cloud, 7.1) == {"expired": 2}
    assert keys(s3, "days") == ["kept"]
    assert sweep(cloud, 7.1) == {}


def test_a_disabled_rule_does_nothing(cloud: LocalCloud, s3: Any) -> None:
    s3.create_bucket(Bucket="disabled")
    fill(s3, "disabled", "a")
    rule(s3, "disabled", Status="Disabled", Expiration={"Days": 1})
    assert sweep(cloud, 5) == {}


def test_versions_go_after_they_were_replaced(cloud: LocalCloud, s3: Any) -> None:
    s3.create_bucket(Bucket="noncurrent")
    s3.put_bucket_versioning(Bucket="noncurrent", VersioningConfiguration={"Status": "Enabled"})
    fill(s3, "noncurrent", "a", "a", "a", "b")
    rule(s3, "noncurrent", Expiration={"Days": 30}, NoncurrentVersionExpiration={"NoncurrentDays": 3})
    assert sweep(cloud, 4) == {"noncurrent": 2}
    assert content(s3, "noncurrent", "a") == b"a"
    assert sweep(cloud, 31) == {"expired": 2}, "what expires is marked as deleted and stays as a version"
    listed = s3.list_object_versions(Bucket="noncurrent")
    assert (len(listed["Versions"]), len(listed["DeleteMarkers"])) == (2, 2)
    rule(
        s3,
        "noncurrent",
        Expiration={"ExpiredObjectDeleteMarker": True},
        NoncurrentVersionExpiration={"NoncurrentDays": 3},
    )
    assert sweep(cloud, 35) == {"noncurrent": 2, "markers": 2}
    s3.delete_bucket(Bucket="noncurrent")


def test_uploads_that_were_forgotten_are_given_up(cloud: LocalCloud, s3: Any) -> None:
    s3.create_bucket(Bucket="forgotten")
    upload = s3.create_multipart_upload(Bucket="forgotten", Key="big")["UploadId"]
    at = {"Bucket": "forgotten", "Key": "big", "UploadId": upload}
    s3.upload_part(**at, PartNumber=1, Body=b"part")
    rule(s3, "forgotten", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 2})
    assert sweep(cloud, 1) == {}
    assert sweep(cloud, 2.1) == {"uploads": 1}
    with refused("NoSuchUpload", 404):
        s3.list_parts(**at)


def test_a_date_comes_for_all(cloud: LocalCloud, s3: Any) -> None:
    s3.create_bucket(Bucket="dated")
    fill(s3, "dated", "a")
    day = (datetime.now(UTC) + timedelta(days=10)).replace(hour=0, minute=0, second=0, microsecond=0)
    rule(s3, "dated", Expiration={"Date": day})
    assert sweep(cloud, 8) == {}
    assert sweep(cloud, 11) == {"expired": 1}


@pytest.mark.parametrize(
    ("actions", "code", "status"),
    [
        ({"Expiration": {"Days": 0}}, "InvalidArgument", 400),
        ({}, "InvalidRequest", 400),
        ({"Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}, "NotImplemented", 501),
        ({"Expiration": {"Days": 1}, "Filter": {"Tag": {"Key": "a", "Value": "b"}}}, "NotImplemented", 501),
    ],
)
def test_rules_that_cannot_be(s3: Any, actions: dict[str, Any], code: str, status: int) -> None:
    if "wrong" not in [item["Name"] for item in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket="wrong")
    with refused(code, status):
        rule(s3, "wrong", **actions)
