"""Calls to receivers on this machine. A local cloud calls nothing that is farther away."""

import ipaddress
import json
from typing import Any
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

_PATIENCE = 10.0
_OPENER = build_opener(ProxyHandler({}))


def near(host: str) -> bool:
    """Whether a host is this machine, or in a private network of it: a container's, say."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"


def get(url: str) -> None:
    """Raises OSError when there is no answer, or one that is not well."""
    _call(Request(url))  # noqa: S310 - the scheme is checked in _call


def post(url: str, body: Any) -> None:
    """Raises OSError when there is no answer, or one that is not well."""
    _call(Request(url, json.dumps(body).encode(), {"content-type": "application/json"}))  # noqa: S310 - the scheme is checked in _call


def _call(request: Request) -> None:
    parts = urlsplit(request.full_url)
    if parts.scheme not in ("http", "https") or not near(parts.hostname or ""):
        raise OSError(f"{parts.scheme}://{parts.netloc} is not on this machine, and nothing else is called.")
    with _OPENER.open(request, timeout=_PATIENCE):
        pass
