"""AWS Signature Version 4, both ways: what a request must be signed with, and what it says it was signed with."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from localcloud.spaces.errors import S3Error

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_HASH = hashlib.sha256(b"").hexdigest()

_TIME_FORMAT = "%Y%m%dT%H%M%SZ"
_TOLERANCE = timedelta(minutes=15)
_LONGEST_LINK_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a request says about its signature. lifetime: of a presigned link, None for a signed header."""

    access_key: str
    scope: str
    timestamp: str
    signed_headers: tuple[str, ...]
    value: str
    lifetime: timedelta | None = None


def find_signature(headers: Mapping[str, str], query: Iterable[tuple[str, str]]) -> Signature | None:
    """The signature of a request, None where it has none. Raises AuthorizationHeaderMalformed, InvalidRequest."""
    authorization = headers.get("authorization", "")
    if authorization.startswith(ALGORITHM):
        return _from_header(authorization, headers.get("x-amz-date", ""))
    given = dict(query)
    if authorization or "AWSAccessKeyId" in given:
        raise S3Error("InvalidRequest", f"Sign with {ALGORITHM}; no other way of authorization is supported.")
    return _from_query(given) if "X-Amz-Algorithm" in given else None


def check_time(signature: Signature, now: datetime) -> None:
    """Raises RequestTimeTooSkewed, or AccessDenied for a link that has expired."""
    made = _moment(signature.timestamp)
    if signature.lifetime is not None:
        if now > made + signature.lifetime:
            raise S3Error("AccessDenied", f"Request has expired: {made + signature.lifetime:{_TIME_FORMAT}}.")
        return
    if abs(now - made) > _TOLERANCE:
        raise S3Error("RequestTimeTooSkewed", f"Signed at {signature.timestamp}; it is {now:{_TIME_FORMAT}} here.")


def expected(
    signature: Signature,
    secret: str,
    method: str,
    path: str,
    query: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    payload_hash: str,
) -> str:
    """The signature these parts must have. path: percent-decoded. query: without X-Amz-Signature."""
    canonical = "\n".join(
        (
            method,
            quote(path, safe="/-_.~"),
            "&".join(sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in signature.signed_headers),
            "",
            ";".join(signature.signed_headers),
            payload_hash,
        )
    )
    return sign(secret, signature.timestamp, signature.scope, hashlib.sha256(canonical.encode()).hexdigest())


def sign(secret: str, timestamp: str, scope: str, *parts: str, algorithm: str = ALGORITHM) -> str:
    """The signature of some lines, such as the hash of a canonical request."""
    text = "\n".join((algorithm, timestamp, scope, *parts))
    return hmac.new(_key(secret, scope), text.encode(), hashlib.sha256).hexdigest()


def authorization(
    access_key: str, secret: str, method: str, path: str, query: Iterable[tuple[str, str]], headers: Mapping[str, str]
) -> str:
    """The Authorization header of a request whose headers, x-amz-date and x-amz-content-sha256 among them, are all
    signed. path: percent-decoded. headers: by lower-case name."""
    timestamp = headers["x-amz-date"]
    unsigned = Signature(
        access_key=access_key,
        scope=f"{timestamp[:8]}/us-east-1/s3/aws4_request",
        timestamp=timestamp,
        signed_headers=tuple(sorted(headers)),
        value="",
    )
    value = expected(unsigned, secret, method, path, query, headers, headers["x-amz-content-sha256"])
    signed = ";".join(unsigned.signed_headers)
    return f"{ALGORITHM} Credential={access_key}/{unsigned.scope}, SignedHeaders={signed}, Signature={value}"


def timestamp(now: datetime) -> str:
    """A time as x-amz-date has it."""
    return now.strftime(_TIME_FORMAT)


def _key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _from_header(authorization: str, timestamp: str) -> Signature:
    parts = (part.strip().partition("=") for part in authorization.removeprefix(ALGORITHM).split(","))
    fields = {name: value for name, _, value in parts}
    return _checked(fields, timestamp, None)


def _from_query(given: Mapping[str, str]) -> Signature:
    if given["X-Amz-Algorithm"] != ALGORITHM:
        raise S3Error("InvalidRequest", f"X-Amz-Algorithm must be {ALGORITHM}.")
    seconds = given.get("X-Amz-Expires", "")
    if not seconds.isdigit() or not 0 < int(seconds) <= _LONGEST_LINK_SECONDS:
        raise S3Error("InvalidArgument", f"X-Amz-Expires must be from 1 to {_LONGEST_LINK_SECONDS} seconds.")
    fields = {name: given.get(f"X-Amz-{name}", "") for name in ("Credential", "SignedHeaders", "Signature")}
    return _checked(fields, given.get("X-Amz-Date", ""), timedelta(seconds=int(seconds)))


def _checked(fields: Mapping[str, str], timestamp: str, lifetime: timedelta | None) -> Signature:
    access_key, _, scope = fields.get("Credential", "").partition("/")
    day, *rest = scope.split("/")
    signed = tuple(fields.get("SignedHeaders", "").split(";"))
    _moment(timestamp)
    if len(rest) != 3 or rest[1:] != ["s3", "aws4_request"] or day != timestamp[:8] or not fields.get("Signature"):
        raise S3Error(
            "AuthorizationHeaderMalformed",
            "Needed are Credential=KEY/DATE/REGION/s3/aws4_request, SignedHeaders and Signature, of the same date.",
        )
    if "host" not in signed:
        raise S3Error("AuthorizationHeaderMalformed", "SignedHeaders must contain host.")
    return Signature(
        access_key=access_key,
        scope=scope,
        timestamp=timestamp,
        signed_headers=signed,
        value=fields["Signature"],
        lifetime=lifetime,
    )


def _moment(timestamp: str) -> datetime:
    try:
        return datetime.strptime(timestamp, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError as problem:
        raise S3Error(
            "AccessDenied", "A signed request needs a date such as x-amz-date: 20260102T030405Z."
        ) from problem
