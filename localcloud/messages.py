"""JSON messages to receivers on this machine or elsewhere."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

_PATIENCE = 10.0
_OPENER = build_opener(ProxyHandler({}))


def post(url: str, body: Any, headers: Mapping[str, str] | None = None) -> None:
    """Raises OSError when there is no answer, or one that is not well."""
    if not url.startswith(("http://", "https://")):
        raise OSError(f"{url}: only http:// and https:// are called.")
    sent = {"content-type": "application/json", **(headers or {})}
    request = Request(url, json.dumps(body).encode(), sent)  # noqa: S310 - the schemes are checked above
    with _OPENER.open(request, timeout=_PATIENCE):
        pass
