"""The one port of a local cloud: the API and Spaces behind it, told apart request by request."""

import asyncio
import re
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from localcloud.api.gate import drop
from localcloud.cloud import Cloud
from localcloud.journal import mask
from localcloud.spaces.addresses import find_target, is_for_spaces
from localcloud.spaces.app import answer_error
from localcloud.spaces.errors import S3Error

_SIGNATURE = re.compile(r"(?<=X-Amz-Signature=)[^&]+")
_BROKEN = {
    "429": ("SlowDown", "Please reduce your request rate."),
    "500": ("InternalError", "Unexpected server-side error (asked for by a fault; nothing was changed)."),
}


class Front:
    """Hands requests on. Those for Spaces are not held in memory, so their journal lines tell no bodies."""

    def __init__(self, api: ASGIApp, cloud: Cloud) -> None:
        self._api = api
        self._cloud = cloud

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _means_spaces(scope):
            await self._spaces(scope, receive, send)
        else:
            await self._api(scope, receive, send)

    async def _spaces(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        resource = find_target(Headers(scope=scope).get("host", ""), scope["raw_path"].decode("latin-1")).resource
        fault = self._cloud.faults.take(scope["method"], resource)

        async def recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                query = _SIGNATURE.sub(lambda found: mask(found[0]), scope["query_string"].decode("latin-1"))
                kind = fault.kind if fault is not None else ""
                self._cloud.journal.record(scope, resource, query, None, message["status"], started, kind)
            if fault is None or fault.kind != "lost-response":
                await send(message)

        if fault is not None and fault.kind in _BROKEN:
            await answer_error(recorded, S3Error(*_BROKEN[fault.kind]), resource)
            return
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        await self._cloud.spaces(scope, receive, recorded)
        if fault is not None and fault.kind == "lost-response":
            await drop(send)


def _means_spaces(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    raw_path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    return is_for_spaces(headers.get("host", ""), raw_path, query, headers)
