"""Calls about a bucket's versioning, lifecycle, CORS and policy."""

from __future__ import annotations

import json

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


def get_lifecycle(request: Request) -> Reply:
    rules = _bucket(request).lifecycle
    if not rules:
        raise S3Error("NoSuchLifecycleConfiguration", f"{request.bucket} has no lifecycle rules.")
    return Reply(body=document("LifecycleConfiguration", lifecycle.show_rules(rules)))


def put_lifecycle(request: Request) -> Reply:
    return _configure(request, "lifecycle", json.dumps(lifecycle.read_rules(request.body)))


def delete_lifecycle(request: Request) -> Reply:
    return _configure(request, "lifecycle", "[]", status=204)


def get_cors(request: Request) -> Reply:
    rules = _bucket(request).cors
    if not rules:
        raise S3Error("NoSuchCORSConfiguration", f"{request.bucket} has no CORS rules.")
    return Reply(body=document("CORSConfiguration", cors.show_rules(rules)))


def put_cors(request: Request) -> Reply:
    return _configure(request, "cors", json.dumps(cors.read_rules(request.body)))


def delete_cors(request: Request) -> Reply:
    return _configure(request, "cors", "[]", status=204)


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
