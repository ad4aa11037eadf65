"""Spaces' S3 API as a client: where it is, signed requests, and errors a person can act on."""

import base64
import hashlib
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

from localcloud.providers.context import Context
from localcloud.providers.http import ApiError, checked_endpoint
from localcloud.spaces import signature

DEFAULT_ENDPOINT = "https://{{.Region}}.digitaloceanspaces.com"

_REGION = re.compile(r"\{\{\s*\.Region\s*\}\}")
_BY_PATH = ("location",)
"""What names its bucket in the path, as AWS's own client does; all else names it in the host."""

_ATTEMPTS = 4
_WAIT_SECONDS = 0.5
_SETTINGS = {
    "spacesAccessId": "SPACES_ACCESS_KEY_ID",
    "spacesSecretKey": "SPACES_SECRET_ACCESS_KEY",
    "spacesEndpoint": "SPACES_ENDPOINT_URL",
}


class SpacesError(ApiError):
    """A request to Spaces that did not succeed. code: S3's own, "" where no answer came or it had no body."""

    def __init__(self, method: str, path: str, status: int, code: str, message: str) -> None:
        super().__init__(method, path, status, f"{code}: {message}" if code else message)
        self.code = code


class SpacesClient:
    """Calls on the buckets of one region."""

    def __init__(self, context: Context, region: str) -> None:
        """Raises ValueError where the provider has no Spaces key."""
        given = {name: context.config.get(name) or os.environ.get(variable, "") for name, variable in _SETTINGS.items()}
        for name in ("spacesAccessId", "spacesSecretKey"):
            if not given[name]:
                raise ValueError(
                    f"no Spaces key: set digitalocean:{name} or {_SETTINGS[name]}; a token alone opens no buckets"
                )
        self._access_id, self._secret = given["spacesAccessId"], given["spacesSecretKey"]
        endpoint = _REGION.sub(region.lower(), given["spacesEndpoint"] or DEFAULT_ENDPOINT)
        self._endpoint = urlsplit(checked_endpoint(endpoint, "digitalocean:spacesEndpoint"))
        self._stopped = context.cancelled

    def call(
        self, method: str, bucket: str, query: str = "", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body of the answer. query: such as "versioning" for a bucket's versioning. Raises SpacesError."""
        attempt = 1
        while True:
            try:
                return self._once(method, bucket, query, body, headers or {})
            except SpacesError as error:
                again = error.status in (429, 500, 502, 503, 504) and attempt < _ATTEMPTS
                if not again or self._stopped.is_set():
                    raise
            time.sleep(_WAIT_SECONDS * 2**attempt)
            attempt += 1

    def _once(self, method: str, bucket: str, query: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        by_path = query in _BY_PATH
        host = self._endpoint.netloc if by_path else f"{bucket}.{self._endpoint.netloc}"
        path = f"/{bucket}" if by_path else "/"
        signed = {
            **headers,
            "host": host,
            "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
            "x-amz-date": signature.timestamp(datetime.now(UTC)),
        }
        if body:
            signed["content-md5"] = _base64_md5(body)
        pairs = parse_qsl(query, keep_blank_values=True)
        signed["authorization"] = signature.authorization(self._access_id, self._secret, method, path, pairs, signed)
        where = f"{host}{path}{query and '?' + query}"
        url = f"{self._endpoint.scheme}://{where}"
        # The endpoint's scheme is http or https: see `checked_endpoint`. What HTTP_PROXY says holds: names of a local
        # cloud's buckets are known to its own port alone.
        request = urllib.request.Request(url, data=body or None, headers=signed, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=120) as response:  # noqa: S310
                content: bytes = response.read()
                return content
        except urllib.error.HTTPError as error:
            with error:
                code, message = _told(error.read())
            raise SpacesError(method, where, error.code, code, message or error.reason) from None
        except OSError as error:
            hint = "; HTTP_PROXY must name the local cloud" if host.split(":", maxsplit=1)[0].endswith(".test") else ""
            raise SpacesError(method, where, 0, "", f"{host} cannot be reached ({error}){hint}") from None


def tree(body: bytes) -> ElementTree.Element:
    """An answer's XML, tags without namespace."""
    # It comes from the endpoint that the user has chosen, over TLS or from this machine.
    root = ElementTree.fromstring(body)  # noqa: S314
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _told(body: bytes) -> tuple[str, str]:
    try:
        found = tree(body)
    except ElementTree.ParseError:
        return "", ""
    return found.findtext("Code", ""), found.findtext("Message", "")


def _base64_md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
