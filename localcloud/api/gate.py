"""What happens to every request before and after its handler: access, faults, rate-limit headers, the journal."""

import asyncio
import json
import re
import time
import uuid
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from localcloud.access import carries
from localcloud.cloud import Cloud
from localcloud.faults import Fault
from localcloud.journal import mask_secrets

_LIMITS = {3600: 5000, 60: 250}
"""Calls an hour and a minute, as DigitalOcean documents. Counted for the headers; enforced where options say so."""

_LOCAL_HOST = re.compile(r"^(127(\.\d{1,3}){3}|localhost)(:\d+)?$")
_OPEN_PATHS = "/_local/"


class Gate:
    """Wraps the API. A request is answered only after its journal line is on disk."""

    def __init__(self, app: ASGIApp, cloud: Cloud) -> None:
        self._app = app
        self._cloud = cloud
        self._used: dict[tuple[int, int], int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        method, path = scope["method"], scope["path"]
        headers = Headers(scope=scope)
        body = await Request(scope, receive).body()
        fault = None if path.startswith(_OPEN_PATHS) else self._cloud.faults.take(method, path)
        collected = _Collector()
        limits = self._limits(path)
        refused = self._refusal(path, headers)
        if refused is None and "retry-after" in limits:
            refused = _error(429, "too_many_requests", "API Rate limit exceeded.")
        if refused is not None:
            await refused(scope, receive, collected)
        elif fault is not None and fault.kind in ("429", "500"):
            await _broken(fault)(scope, receive, collected)
        else:
            if fault is not None and fault.kind == "slow":
                await asyncio.sleep(fault.seconds)
            scope["localcloud.body"] = body
            scope["localcloud.fault"] = fault.kind if fault is not None else ""
            await self._app(scope, receive, collected)
        if not path.startswith(_OPEN_PATHS):
            query, kind = scope["query_string"].decode("latin-1"), fault.kind if fault is not None else ""
            self._cloud.journal.record(scope, path, query, _readable(body), collected.status, started, kind)
        if fault is not None and fault.kind == "lost-response":
            await drop(send)
            return
        collected.add_headers(limits)
        await collected.deliver(send)

    def _refusal(self, path: str, headers: Headers) -> JSONResponse | None:
        # A page in the user's browser can reach loopback, also by a name of its own; it cannot fake these two headers.
        if "origin" in headers or not _LOCAL_HOST.match(headers.get("host", "")):
            return _error(
                403, "forbidden", "The local cloud answers only to programs that call 127.0.0.1 or localhost."
            )
        if carries(headers.get("authorization", ""), self._cloud.token):
            return None
        message = f"Unable to authenticate you. This local cloud's token is in {self._cloud.layout.token}."
        if path.startswith("/client/"):
            body = {"success": False, "errors": [{"code": 10000, "message": message}], "messages": [], "result": None}
            return JSONResponse(body, 401)
        return _error(401, "unauthorized", message)

    def _limits(self, path: str) -> dict[str, str]:
        """The headers of a call, which is counted; `retry-after` is among them when it is one too many."""
        if not path.startswith("/v2/"):
            return {}
        now = int(time.time())
        windows = {seconds: (seconds, now // seconds) for seconds in _LIMITS}
        self._used = {window: self._used.get(window, 0) + 1 for window in windows.values()}
        full = [seconds for seconds, window in windows.items() if self._used[window] > _LIMITS[seconds]]
        hour = 3600
        headers = {
            "ratelimit-limit": str(_LIMITS[hour]),
            "ratelimit-remaining": str(max(0, _LIMITS[hour] - self._used[windows[hour]])),
            "ratelimit-reset": str((now // hour + 1) * hour),
        }
        if full and self._cloud.options.rate_limits:
            headers["retry-after"] = str((now // max(full) + 1) * max(full) - now)
        return headers


class _Collector:
    """Takes the messages of a response and holds them back."""

    def __init__(self) -> None:
        self.status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._headers = list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")

    def add_headers(self, headers: dict[str, str]) -> None:
        self._headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]

    async def deliver(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


def _broken(fault: Fault) -> JSONResponse:
    if fault.kind == "429":
        after = {"retry-after": str(max(1, round(fault.seconds)))}
        return _error(429, "too_many_requests", "API Rate limit exceeded.", after)
    return _error(500, "server_error", "Unexpected server-side error (asked for by a fault; nothing was changed).")


def _error(status: int, id: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"id": id, "message": message, "request_id": str(uuid.uuid4())}, status, headers)


async def drop(send: Send) -> None:
    """Cuts the TCP connection without a byte of response."""
    # uvicorn passes a bound method of its request cycle, which holds the transport; ASGI itself has no such message.
    cycle = send.__self__  # type: ignore[attr-defined]
    cycle.transport.abort()
    while not cycle.disconnected:
        await asyncio.sleep(0.01)


def _readable(body: bytes) -> Any:
    if not body:
        return None
    try:
        return mask_secrets(json.loads(body))
    except ValueError:
        return f"({len(body)} bytes that are not JSON)"
