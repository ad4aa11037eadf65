"""How a request says which bucket and object it means: by host name or by path."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

DOMAIN = "digitaloceanspaces.test"
"""Stands for digitaloceanspaces.com. Names below .test never exist in DNS: they reach us through HTTP_PROXY alone."""

ENDPOINT_TEMPLATE = f"http://{{{{.Region}}}}.{DOMAIN}"
"""The provider's setting spacesEndpoint for a local cloud."""

REGIONS = ("ams3", "atl1", "blr1", "fra1", "lon1", "nyc3", "sfo2", "sfo3", "sgp1", "syd1", "tor1")
DEFAULT_REGION = "nyc3"

_LOCAL_HOST = re.compile(r"^(127(\.\d{1,3}){3}|localhost)(:\d+)?$")
_BUCKET_NAME = re.compile(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
_API_PATHS = ("/v2/", "/client/", "/_local/")
_SIGNED_QUERY = ("x-amz-algorithm=", "awsaccesskeyid=")


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a request is about. bucket, key: "" where it names none. region: of the host name, "" on loopback.

    path: as it was sent, percent-decoded, for the signature.
    """

    bucket: str
    key: str
    region: str
    path: str

    @property
    def resource(self) -> str:
        """Bucket and key as one path, whichever way they were given."""
        return "/" + "/".join(part for part in (self.bucket, self.key) if part)


def is_bucket_name(name: str) -> bool:
    """3 to 63 lower-case letters, digits, dots and dashes that start and end with a letter or digit."""
    return _BUCKET_NAME.match(name) is not None


def find_target(host: str, raw_path: str) -> Target:
    """The target of a request line and its host. A proxy's request line holds the whole URL."""
    path = unquote(urlsplit(raw_path).path if raw_path.startswith("http://") else raw_path)
    name = host.partition(":")[0].lower()
    region = bucket = ""
    if name.endswith("." + DOMAIN):
        bucket, _, region = name.removesuffix("." + DOMAIN).rpartition(".")
    rest = path.removeprefix("/")
    if not bucket:
        bucket, _, rest = rest.partition("/")
    return Target(bucket=bucket, key=rest, region=region, path=path)


def is_for_spaces(host: str, raw_path: str, query: str, headers: Mapping[str, str]) -> bool:
    """Whether a request at the local cloud's one port means Spaces: by its host name, by its signature, or because it
    asks without any authorization for what can only be a public object."""
    if host.partition(":")[0].lower().endswith("." + DOMAIN):
        return True
    if not _LOCAL_HOST.match(host):
        return False
    authorization = headers.get("authorization", "")
    if authorization:
        return authorization.startswith("AWS")
    if any(mark in query.lower() for mark in _SIGNED_QUERY):
        return True
    return not raw_path.startswith(_API_PATHS) and is_bucket_name(raw_path.split("/")[1])
