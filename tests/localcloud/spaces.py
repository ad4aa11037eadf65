"""AWS's own client for the local cloud's Spaces."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore.session
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.spaces.keys import FIRST_KEY
from tests.localcloud.cloud import LocalCloud


def client(cloud: LocalCloud, access_key: str | None = FIRST_KEY, secret: str | None = None, **config: Any) -> Any:
    """A client that names buckets in the path. access_key: None for requests without a signature."""
    return _client(cloud.url, access_key, secret or cloud.token, {"s3": {"addressing_style": "path"}} | config)


def named_by_host(cloud: LocalCloud, region: str = "nyc3") -> Any:
    """A client that names buckets in the host, and reaches them through the local cloud as a proxy."""
    endpoints = cloud.get("/_local/endpoints")["spaces"]
    endpoint = endpoints["endpoint_template"].replace("{{.Region}}", region)
    proxies = {"http": endpoints["http_proxy"]}
    return _client(endpoint, FIRST_KEY, cloud.token, {"s3": {"addressing_style": "virtual"}, "proxies": proxies})


def _client(endpoint: str, access_key: str | None, secret: str, config: dict[str, Any]) -> Any:
    if access_key is None:
        config = config | {"signature_version": UNSIGNED}
    return botocore.session.Session().create_client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=access_key or "none",
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 0}, **{"signature_version": "s3v4", **config}),
    )


@contextmanager
def refused(code: str, status: int) -> Iterator[None]:
    """The call inside must fail with this error."""
    with pytest.raises(ClientError) as error:
        yield
    told = error.value.response
    assert (told["Error"]["Code"], told["ResponseMetadata"]["HTTPStatusCode"]) == (code, status), told


def fill(s3: Any, bucket: str, *keys: str) -> None:
    """Puts objects whose content is their key."""
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())


def content(s3: Any, bucket: str, key: str, **more: Any) -> bytes:
    """An object's content."""
    body: bytes = s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()
    return body
