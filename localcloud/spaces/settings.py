"""Calls about a bucket's versioning, lifecycle, CORS and policy."""

import json
from collections.abc import Callable
from typing import Any

from localcloud.spaces import cors, lifecycle
from localcloud.spaces.errors import S3Error
from localcloud.spaces.markup import Node, document, parse
from localcloud.spaces.messages import Reply, Request
from localcloud.spaces.policy import check_policy
from localcloud.spaces.store import Bucket


def get_versioning(request: Request) -> Reply:
    status = _bucket(request).versioning
    shown: list[Node] = [("Status", status)] if status else []
    return Reply(body=document("VersioningConfiguration", shown))


def put_versioning(request: Request) -> Reply:
    status = parse(request.body, "VersioningConfiguration").findtext("Status")
    if status not in ("Enabled", "Suspended"):
        raise S3Error("MalformedXML", "Status must be Enabled or Suspended.")
    return _configure(request, "versioning", status)


Handler = Callable[[Request], Reply]


def _rules(
    setting: str, missing: str, root: str, read: Callable[[bytes], Any], show: Callable[[Any], list[Node]]
) -> tuple[Handler, Handler, Handler]:
    """The calls that get, put and delete a list of rules."""

    def get(request: Request) -> Reply:
        rules = getattr(_bucket(request), setting)
        if not rules:
            raise S3Error(missing, f"{request.bucket} has no {setting} rules.")
        return Reply(body=document(root, show(rules)))

    def put(request: Request) -> Reply:
        return _configure(request, setting, json.dumps(read(request.body)))

    return get, put, lambda request: _configure(request, setting, "[]", status=204)


get_lifecycle, put_lifecycle, delete_lifecycle = _rules(
    "lifecycle", "NoSuchLifecycleConfiguration", "LifecycleConfiguration", lifecycle.read_rules, lifecycle.show_rules
)
get_cors, put_cors, delete_cors = _rules(
    "cors", "NoSuchCORSConfiguration", "CORSConfiguration", cors.read_rules, cors.show_rules
)


def get_policy(request: Request) -> Reply:
    policy = _bucket(request).policy
    if not policy:
        raise S3Error("NoSuchBucketPolicy", f"{request.bucket} has no policy.")
    return Reply(body=policy.encode(), headers={"content-type": "application/json"})


def put_policy(request: Request) -> Reply:
    """As on DigitalOcean, a bucket has a policy or keys limited to it, not both."""
    policy = request.body.decode("utf-8", "replace")
    check_policy(policy, request.bucket)
    if request.keys.is_limited_to(request.bucket):
        raise S3Error("InvalidRequest", f"A Spaces key is limited to {request.bucket}; such a bucket takes no policy.")
    return _configure(request, "policy", policy, status=204)


def delete_policy(request: Request) -> Reply:
    return _configure(request, "policy", "", status=204)


def _bucket(request: Request) -> Bucket:
    with request.store.transaction() as transaction:
        return transaction.bucket(request.bucket)


def _configure(request: Request, setting: str, value: str, status: int = 200) -> Reply:
    with request.store.transaction() as transaction:
        transaction.configure(request.bucket, setting, value)
    return Reply(status=status)
