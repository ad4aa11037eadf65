"""An HTTP API, asked by a command: a cloud's or GitHub's."""

import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from trellis.operations.errors import OperationError

_TIMEOUT = urllib3.Timeout(connect=30, read=60)
# Neither does harm when it is carried out twice. Waits of 0, 1, 2, 4 and 8 seconds, or the API's own Retry-After.
_RETRIES = urllib3.Retry(
    total=5,
    connect=2,
    redirect=False,
    allowed_methods=("GET", "DELETE"),
    status_forcelist=(429, 500, 502, 503, 504),
    raise_on_status=False,
    backoff_factor=0.5,
    retry_after_max=120,
)


class NothingThere(OperationError):
    """The answer 404."""


@dataclass(frozen=True, kw_only=True)
class Api:
    """A JSON API with a bearer token. GET and DELETE are sent again while it is busy or down, or its answer is cut."""

    base: str
    token: str = field(repr=False)

    def get(self, path: str) -> Any | None:
        """The object of a GET, or None where there is nothing. Raises OperationError for any other answer."""
        try:
            found = self.call("GET", path)
        except NothingThere:
            return None
        if found is None or isinstance(found, dict):
            return found
        raise self._strange(f"GET {path}")

    def delete(self, path: str) -> None:
        """Deletes; what is gone already is a success. Raises OperationError."""
        with suppress(NothingThere):
            self.call("DELETE", path)

    def every(self, path: str, root: str) -> Iterator[dict[str, Any]]:
        """Every item of a list, page by page. Raises OperationError."""
        page, seen = 1, 0
        while True:
            body = self.get(f"{path}{'&' if '?' in path else '?'}per_page=200&page={page}") or {}
            items, meta = body.get(root) or [], body.get("meta") or {}
            if not (isinstance(items, list) and all(isinstance(item, dict) for item in [*items, meta])):
                raise self._strange(f"GET {path}")
            yield from items
            seen += len(items)
            if not items or seen >= meta.get("total", 0):
                return
            page += 1

    def call(self, method: str, path: str, body: Any = None) -> Any | None:
        """The JSON of an answer, None where it is empty. Raises OperationError, NothingThere for a 404."""
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            answer = self._pool.request(method, self.base.rstrip("/") + path, headers=headers, json=body)
            if answer.status >= 300:
                refused = NothingThere if answer.status == 404 else OperationError
                said = answer.data.decode(errors="replace")
                raise refused(f"{method} {path} answered {answer.status}: {said[:300]}")
            return answer.json() if answer.data else None
        except (HTTPError, OSError) as error:
            lost = "" if _RETRIES.is_retry(method, 503) else " It may have been carried out: look before you try again."
            raise OperationError(f"{self.base} does not answer {method} {path}: {reason(error)}.{lost}") from error
        except ValueError as error:
            raise self._strange(f"{method} {path}") from error

    def _strange(self, asked: str) -> OperationError:
        return OperationError(f"{asked} answered something else than an API's JSON. Does one answer at {self.base}?")

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        options: dict[str, Any] = {"retries": _RETRIES, "timeout": _TIMEOUT}
        parts = urlsplit(self.base)
        proxy = urllib.request.getproxies().get(parts.scheme)
        if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
            return urllib3.ProxyManager(proxy, **options)
        return urllib3.PoolManager(**options)


def reason(error: BaseException) -> str:
    """What the operating system or OpenSSL says, without what Python and urllib3 wrap around it."""
    while error.__context__ is not None:
        error = error.__context__
    if isinstance(error, HTTPException):
        return "the connection broke, or what answers does not speak HTTP"
    return getattr(error, "strerror", None) or str(error)
