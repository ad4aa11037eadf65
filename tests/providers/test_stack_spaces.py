"""Buckets and keys with the real engine, against the local cloud; then used as a Droplet would."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.spaces.keys import FIRST_KEY
from tests.localcloud.cloud import LocalCloud
from tests.localcloud.spaces import client, content, fill, refused
from tests.providers.stack import Stack

PROGRAM = """
import pulumi
import pulumi_digitalocean as digitalocean

config = pulumi.Config()
backups = digitalocean.SpacesBucket(
    "backups",
    name="villa-backups",
    region="nyc3",
    acl="private",
    force_destroy=True,
    versioning={"enabled": True},
    lifecycle_rules=[
        {
            "id": "daily",
            "prefix": "daily/",
            "enabled": True,
            "expiration": {"days": config.require_int("days")},
            "noncurrent_version_expiration": {"days": 3},
            "abort_incomplete_multipart_upload_days": 2,
        }
    ],
)
key = digitalocean.SpacesKey(
    "uploads", name="villa-uploads", grants=[{"bucket": backups.name, "permission": "readwrite"}]
)
digitalocean.SpacesBucket("open", name="villa-open", region="fra1")
pulumi.export("access_key", key.access_key)
pulumi.export("secret_key", key.secret_key)
"""


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    started = LocalCloud(None)
    try:
        started.start()
        yield started
    finally:
        started.remove()


@pytest.fixture
def stack(cloud: LocalCloud, tmp_path: Path) -> Iterator[Stack]:
    spaces = cloud.get("/_local/endpoints")["spaces"]
    config = {
        "digitalocean:apiEndpoint": cloud.url,
        "digitalocean:spacesEndpoint": spaces["endpoint_template"],
        "digitalocean:spacesAccessId": FIRST_KEY,
        "days": "7",
    }
    secrets = {"digitalocean:token": cloud.token, "digitalocean:spacesSecretKey": cloud.token}
    made = Stack(tmp_path, config, secrets)
    made.environment["HTTP_PROXY"] = spaces["http_proxy"]
    made.program(PROGRAM)
    yield made
    made.destroy()


def test_life_of_a_bucket(stack: Stack, cloud: LocalCloud) -> None:
    stack.run("preview")
    stack.up()
    stack.unchanged()
    stack.refresh()
    stack.unchanged()

    outputs = stack.outputs()
    assert outputs["secret_key"] not in stack.run("stack", "export")
    uploader = client(cloud, outputs["access_key"], outputs["secret_key"])
    fill(uploader, "villa-backups", "daily/monday", "daily/monday")
    assert content(uploader, "villa-backups", "daily/monday") == b"daily/monday"
    assert len(uploader.list_object_versions(Bucket="villa-backups")["Versions"]) == 2
    with refused("AccessDenied", 403):
        fill(uploader, "villa-open", "k")
    owner = client(cloud)
    fill(owner, "villa-open", "k")

    stack.run("config", "set", "days", "30")
    stack.up()
    stack.unchanged()
    (rule,) = owner.get_bucket_lifecycle_configuration(Bucket="villa-backups")["Rules"]
    assert rule["Expiration"] == {"Days": 30}
    with refused("BucketNotEmpty", 409):
        owner.delete_bucket(Bucket="villa-open")
    owner.delete_object(Bucket="villa-open", Key="k")
    stack.destroy()
    assert owner.list_buckets()["Buckets"] == []
    assert [key["name"] for key in cloud.get("/v2/spaces/keys")["keys"]] == ["local-cloud"]
