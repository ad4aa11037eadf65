"""Whether a request may do what it asks for: by its key, a bucket's policy, or what is open to everyone."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from localcloud.spaces import versions
from localcloud.spaces.errors import S3Error
from localcloud.spaces.keys import Key, Keys, Need
from localcloud.spaces.policy import decide
from localcloud.spaces.signature import UNSIGNED, Signature, check_time, expected, find_signature
from localcloud.spaces.store import Transaction

PUBLIC = "public-read"
CANNED_ACLS = ("private", PUBLIC)

_LISTS = ("s3:ListBucket", "s3:ListBucketVersions")
_OWNERS = ("s3:PutBucketPolicy", "s3:GetBucketPolicy", "s3:DeleteBucketPolicy")
"""What a policy cannot take from a key with full access: else nobody could change the policy again."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks. key, signature: None for a request that is not signed."""

    key: Key | None
    signature: Signature | None


def authenticate(
    keys: Keys, method: str, path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str], now: datetime
) -> Caller:
    """Who asks. Raises InvalidAccessKeyId, SignatureDoesNotMatch, RequestTimeTooSkewed and others of that kind."""
    signature = find_signature(headers, query)
    if signature is None:
        return Caller(key=None, signature=None)
    key = keys.find(signature.access_key)
    if key is None:
        raise S3Error("InvalidAccessKeyId", f"There is no Spaces key {signature.access_key}.")
    check_time(signature, now)
    unsigned = [pair for pair in query if pair[0] != "X-Amz-Signature"]
    payload_hash = headers.get("x-amz-content-sha256", UNSIGNED)
    wanted = expected(signature, key.secret, method, path, unsigned, headers, payload_hash)
    if not hmac.compare_digest(wanted, signature.value):
        raise S3Error("SignatureDoesNotMatch", "The request is not signed with the secret of its key.")
    return Caller(key=key, signature=signature)


def authorise(
    transaction: Transaction, caller: Caller, action: str, need: Need | None, bucket: str, key: str, version: str | None
) -> None:
    """Raises AccessDenied, NoSuchBucket.

    need: None where any key will do. bucket: "" for a call that concerns no bucket that is there.
    """
    resource = f"{bucket}/{key}" if key else bucket
    told = None
    if bucket:
        policy = transaction.bucket(bucket).policy
        told = decide(policy, action, resource, caller.key.access_key if caller.key else "")
    allowed = caller.key is not None and (need is None or caller.key.allows(need, bucket))
    if allowed and action in _OWNERS:
        return
    if told is False:
        raise S3Error("AccessDenied", f"The policy of {bucket} denies {action}.")
    if allowed or told or _is_public(transaction, action, bucket, key, version):
        return
    who = f"The key {caller.key.access_key}" if caller.key else "A request without a signature"
    raise S3Error("AccessDenied", f"{who} may not do {action} on {resource or 'the account'}.")


def _is_public(transaction: Transaction, action: str, bucket: str, key: str, version: str | None) -> bool:
    if action in _LISTS:
        return transaction.bucket(bucket).acl == PUBLIC
    if action not in ("s3:GetObject", "s3:GetObjectVersion"):
        return False
    found = versions.find(transaction, bucket, key, version)
    return found is not None and found.acl == PUBLIC
