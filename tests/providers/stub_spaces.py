"""Spaces for provider tests: the local cloud's own, in a temporary folder, with a journal of every request."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import uvicorn
from starlette.types import Message, Receive, Scope, Send

from localcloud.spaces.addresses import ENDPOINT_TEMPLATE, find_target
from localcloud.spaces.app import Spaces
from localcloud.spaces.keys import Grant, Key
from tests.ports import free_port
from tests.providers.stub_api import Request

KEY = Key(access_key="DO00STUB", secret="secret-of-the-stub", grants=(Grant("", "fullaccess"),))


class _OneKey:
    def find(self, access_key: str) -> Key | None:
        return KEY if access_key == KEY.access_key else None

    def is_limited_to(self, _bucket: str) -> bool:
        return False


class StubSpaces:
    """A server. Use as a context manager. journal: where requests are written down, among those of the API."""

    def __init__(self, journal: list[Request]) -> None:
        self._journal = journal
        self._folder = tempfile.TemporaryDirectory(prefix="spaces-")
        self._spaces = Spaces(Path(self._folder.name), _OneKey())
        self._port = free_port()
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._answer, port=self._port, http="h11", interface="asgi3", lifespan="off", log_config=None
            )
        )
        self._thread = threading.Thread(target=self._server.run)

    @property
    def config(self) -> dict[str, str]:
        """The provider's settings."""
        return {
            "spacesAccessId": KEY.access_key,
            "spacesSecretKey": KEY.secret,
            "spacesEndpoint": ENDPOINT_TEMPLATE,
        }

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes the names of the endpoint reach this server."""
        return {"HTTP_PROXY": f"http://127.0.0.1:{self._port}"}

    def __enter__(self) -> StubSpaces:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            self._thread.join(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._spaces.store.close()
        self._folder.cleanup()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = [await receive()]
        while messages[-1].get("more_body", False):
            messages.append(await receive())
        body = b"".join(message.get("body", b"") for message in messages)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        host = headers["host"]
        path = "/" + find_target(host, scope["raw_path"].decode()).path.lstrip("/")
        query = scope["query_string"].decode().rstrip("=")
        told = {"acl": headers.get("x-amz-acl"), "content": _told(body)}
        self._journal.append(Request(scope["method"], f"{host}{path}{query and '?' + query}", told, ""))
        left = iter(messages)

        async def replay() -> Message:
            await asyncio.sleep(0)
            return next(left, {"type": "http.disconnect"})

        await self._spaces(scope, replay, send)


def _told(body: bytes) -> Any:
    """What a body says, whatever the order and the spelling of its elements."""
    if not body.startswith(b"<"):
        return body.decode()
    return _tree(ElementTree.fromstring(body))  # noqa: S314


def _tree(element: ElementTree.Element) -> Any:
    inside = sorted(([child.tag.rpartition("}")[2], _tree(child)] for child in element), key=str)
    return inside or (element.text or "").strip()
