"""One HTTP client for every provider: JSON in and out, retries, and errors a person can act on."""

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from typing import Any

MAX_RETRY_AFTER = 120.0


class ApiError(Exception):
    """A request that did not succeed.

    status: the HTTP status, 0 where no answer came. message: the API's own words. request_id: the API's name for
    the request, "" where it gave none. No header, body or token is part of the text.
    """

    def __init__(self, method: str, path: str, status: int, message: str, request_id: str = "") -> None:
        self.method = method
        self.path = path
        self.status = status
        self.message = message
        self.request_id = request_id
        code = f"HTTP {status}" if status else "no answer"
        named = f" (request {request_id})" if request_id else ""
        super().__init__(f"{method} {path}: {code}: {message}{named}")


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How often, and with what waits in seconds, a request is tried again after 429 or 5xx."""

    attempts: int = 4
    wait_min: float = 1.0
    wait_max: float = 30.0


class HttpClient:
    """Calls one API.

    endpoint: the URL the paths are added to. token: sent as a bearer token.
    describe: takes the API's words and request id out of an error's body.
    retried: the statuses tried again. stopped: true once waiting is of no use, because the user cancelled.
    """

    def __init__(
        self,
        endpoint: str,
        token: str,
        user_agent: str,
        *,
        describe: Callable[[Any], tuple[str, str]],
        retry: Retry | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": user_agent, "Accept": "application/json"}
        self._describe = describe
        self._retry = retry or Retry()
        self._stopped = stopped
        self._open = urllib.request.build_opener(
            *([urllib.request.ProxyHandler({})] if self.is_loopback else []), _NoRedirect()
        ).open

    @property
    def is_loopback(self) -> bool:
        """True where the API is on this machine."""
        host = urllib.parse.urlsplit(self.endpoint).hostname or ""
        return host in {"localhost", "::1"} or host.startswith("127.")

    def get(self, path: str) -> Any:
        """The body of a GET. Raises ApiError."""
        return self.call("GET", path)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The JSON body of the answer, None where it is empty.

        Raises ApiError on any status that is not a success, after the retries, and when no answer comes. A request
        that changes something is not sent twice when the connection broke after it was sent: it may have been
        carried out.
        """
        attempt = 0
        while True:
            try:
                return self._once(method, path, body)
            except _Retryable as failure:
                attempt += 1
                if attempt > self._retry.attempts or self._stopped():
                    raise failure.error from None
                backoff = min(self._retry.wait_max, self._retry.wait_min * 2 ** (attempt - 1))
                self._pause(backoff if failure.retry_after is None else min(failure.retry_after, MAX_RETRY_AFTER))

    def _pause(self, seconds: float) -> None:
        """Sleeps, but no longer than the user wants to wait."""
        end = time.monotonic() + seconds
        while not self._stopped() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))

    def _once(self, method: str, path: str, body: object) -> Any:
        headers = dict(self._headers)
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        # Only http and https endpoints reach this point: see `checked_endpoint`.
        request = urllib.request.Request(self.endpoint + path, data=data, headers=headers, method=method)  # noqa: S310
        try:
            with self._open(request, timeout=120) as response:
                return _json(response.read())
        except urllib.error.HTTPError as error:
            with error:
                message, request_id = self._describe(_json(error.read()))
            failure = ApiError(method, path, error.code, message or error.reason, request_id)
            if error.code == 429 or (error.code >= 500 and error.code != 501):
                raise _Retryable(failure, _seconds(error.headers)) from None
            raise failure from None
        except urllib.error.URLError as error:
            text = f"{self.endpoint} cannot be reached ({error.reason}); nothing was changed by this request"
            failure = ApiError(method, path, 0, text)
            if isinstance(error.reason, ConnectionRefusedError) or method == "GET":
                raise _Retryable(failure, None) from None
            raise failure from None
        except (OSError, http.client.HTTPException) as error:
            lost = "" if method == "GET" else "; the request may have been carried out: look before trying again"
            failure = ApiError(method, path, 0, f"the connection broke ({error or type(error).__name__}){lost}")
            if method == "GET":
                raise _Retryable(failure, None) from None
            raise failure from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An API does not redirect; following one would carry the token elsewhere."""

    def redirect_request(self, *_: object) -> None:
        return None


class _Retryable(Exception):
    def __init__(self, error: ApiError, retry_after: float | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after


def _seconds(headers: Message) -> float | None:
    try:
        return float(headers.get("Retry-After") or "")
    except ValueError:
        return None


def _json(payload: bytes) -> Any:
    if not payload.strip():
        return None
    try:
        return json.loads(payload)
    except ValueError:
        return None


def checked_endpoint(url: str, setting: str) -> str:
    """The URL, if it is one a client can call. Raises ValueError that names the setting."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{setting}: {url!r} is not an http or https URL")
    return url


def quoted(value: object) -> str:
    """A value as one segment of a path."""
    return urllib.parse.quote(str(value), safe="-_.~$&+,;=@:")
