"""Bucket policies: who may do what, in the part of the language that is carried out here."""

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from localcloud.spaces.errors import S3Error, not_implemented

_PARTS = {"Sid", "Effect", "Principal", "Action", "Resource"}
_RESOURCE = "arn:aws:s3:::"


def check_policy(text: str, bucket: str) -> None:
    """Raises MalformedPolicy, or NotImplemented for a part of the language that would not be carried out."""
    try:
        policy = json.loads(text)
    except ValueError as problem:
        raise S3Error("MalformedPolicy", f"The policy is not JSON: {problem}.") from problem
    statements = policy.get("Statement") if isinstance(policy, Mapping) else None
    if not statements or not isinstance(statements, list | Mapping):
        raise S3Error("MalformedPolicy", "The policy needs a Statement.")
    for statement in _listed(statements):
        for part in statement:
            if part not in _PARTS:
                raise not_implemented(f"{part} in a policy's statement; there are {', '.join(sorted(_PARTS))}")
        missing = [part for part in ("Effect", "Principal", "Action", "Resource") if part not in statement]
        if missing or statement["Effect"] not in ("Allow", "Deny"):
            wrong = f"{missing[0]} is missing" if missing else "Effect must be Allow or Deny"
            raise S3Error("MalformedPolicy", f"In a statement of the policy, {wrong}.")
        for resource in _listed(statement["Resource"]):
            if resource != "*" and (
                resource.removeprefix(_RESOURCE).partition("/")[0] != bucket or not resource.startswith(_RESOURCE)
            ):
                raise S3Error("MalformedPolicy", f"Resource {resource} is not in this bucket, {_RESOURCE}{bucket}.")


def decide(text: str, action: str, resource: str, access_key: str) -> bool | None:
    """What a policy says of an action: False where it denies it, True where it allows it, None where it is silent.

    action: such as "s3:GetObject". resource: "bucket" or "bucket/key". access_key: "" for nobody in particular.
    """
    verdict = None
    for statement in _listed(json.loads(text)["Statement"]) if text else []:
        if not _is_meant(statement["Principal"], access_key):
            continue
        if not any(fnmatchcase(action.lower(), pattern.lower()) for pattern in _listed(statement["Action"])):
            continue
        if not any(fnmatchcase(_RESOURCE + resource, pattern) for pattern in _listed(statement["Resource"])):
            continue
        if statement["Effect"] == "Deny":
            return False
        verdict = True
    return verdict


def _is_meant(principal: Any, access_key: str) -> bool:
    named = principal.get("AWS", []) if isinstance(principal, Mapping) else principal
    return any(name in ("*", access_key) for name in _listed(named))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
