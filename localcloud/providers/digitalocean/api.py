"""DigitalOcean's API as a client: where it is, how it says what went wrong."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.providers.digitalocean import VERSION
from localcloud.providers.http import HttpClient, Retry, checked_endpoint

DEFAULT_ENDPOINT = "https://api.digitalocean.com"


def connect(config: Mapping[str, str], stopped: Callable[[], bool]) -> HttpClient:
    """The client for a provider configuration.

    Raises ValueError where no token is given, or where a setting has a value it cannot have.
    """
    token = config.get("token") or os.environ.get("DIGITALOCEAN_TOKEN") or os.environ.get("DIGITALOCEAN_ACCESS_TOKEN")
    if not token:
        raise ValueError("no API token: set digitalocean:token (as a secret) or DIGITALOCEAN_TOKEN")
    endpoint = config.get("apiEndpoint") or os.environ.get("DIGITALOCEAN_API_URL") or DEFAULT_ENDPOINT
    retry = Retry(
        attempts=int(_number(config, "httpRetryMax", "DIGITALOCEAN_HTTP_RETRY_MAX", 4)),
        wait_min=_number(config, "httpRetryWaitMin", "DIGITALOCEAN_HTTP_RETRY_WAIT_MIN", 1.0),
        wait_max=_number(config, "httpRetryWaitMax", "DIGITALOCEAN_HTTP_RETRY_WAIT_MAX", 30.0),
    )
    return HttpClient(
        checked_endpoint(endpoint, "digitalocean:apiEndpoint"),
        token,
        f"trellis-digitalocean/{VERSION}",
        describe=describe,
        retry=retry,
        stopped=stopped,
    )


def describe(body: Any) -> tuple[str, str]:
    """The message and the request id of an error's body."""
    if not isinstance(body, Mapping):
        return "", ""
    return str(body.get("message") or ""), str(body.get("request_id") or "")


def _number(config: Mapping[str, str], name: str, variable: str, default: float) -> float:
    value = config.get(name) or os.environ.get(variable) or default
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"digitalocean:{name} or {variable}: {value!r} is not a number") from None
