"""The S3 API as an ASGI application. Content passes through in pieces, in both directions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl
from uuid import uuid4

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from localcloud.spaces import cors
from localcloud.spaces.access import Caller, authenticate, authorise
from localcloud.spaces.addresses import Target, find_target
from localcloud.spaces.chunks import ChunkSigner
from localcloud.spaces.errors import S3Error
from localcloud.spaces.keys import Keys
from localcloud.spaces.lifecycle import sweep
from localcloud.spaces.markup import document
from localcloud.spaces.messages import Reply, Request
from localcloud.spaces.objects import LARGEST_PUT
from localcloud.spaces.operations import Operation, find_operation
from localcloud.spaces.payload import Payload
from localcloud.spaces.store import Blob, Store, keep

_log = logging.getLogger("localcloud.spaces")

_LARGEST_DOCUMENT = 1024 * 1024
_PIECE = 256 * 1024
_SWEEP_SECONDS = 3600


class Spaces:
    """All buckets of one account, in a folder, behind their API."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self.store = Store(folder)
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        target = find_target(headers.get("host", ""), scope["raw_path"].decode("latin-1"))
        body = _Body(receive)
        try:
            reply = await self._answer(scope["method"], target, dict(query), query, headers, body)
        except S3Error as error:
            reply = error_reply(error, target.resource)
        except ClientDisconnect:
            return
        except Exception:
            _log.exception("%s %s", scope["method"], target.resource)
            message = "Unexpected server-side error; see the log of `serve`."
            reply = error_reply(S3Error("InternalError", message), target.resource)
        # A client that does not wait for leave to send its body does not listen until all of it is sent.
        if "100-continue" not in headers.get("expect", ""):
            await body.drain()
        shared = await run_in_threadpool(self._cors, scope["method"], target.bucket, headers)
        await _deliver(send, reply, {**reply.headers, **shared}, head=scope["method"] == "HEAD")

    async def sweep_for_ever(self) -> None:
        """Carries out the lifecycle rules now and every hour."""
        while True:
            try:
                await run_in_threadpool(sweep, self.store, datetime.now(UTC))
            except Exception:
                _log.exception("the lifecycle rules could not be carried out; they are tried again in an hour")
            await asyncio.sleep(_SWEEP_SECONDS)

    async def _answer(
        self,
        method: str,
        target: Target,
        query: Mapping[str, str],
        pairs: list[tuple[str, str]],
        headers: Mapping[str, str],
        body: _Body,
    ) -> Reply:
        # A page in the user's browser reaches loopback as programs do; it cannot leave this header out.
        if "origin" in headers and not await run_in_threadpool(self._cors, method, target.bucket, headers):
            raise S3Error("AccessDenied", "CORSResponse: no CORS rule of the bucket allows this request.")
        if method == "OPTIONS":
            return Reply()
        caller = authenticate(self._keys, method, target.path, pairs, headers, datetime.now(UTC))
        operation = find_operation(method, target.bucket, target.key, query, headers)
        await run_in_threadpool(self._authorise, operation, caller, target, query)
        request = Request(
            store=self.store,
            keys=self._keys,
            caller=caller,
            region=target.region,
            bucket=target.bucket,
            key=target.key,
            query=query,
            headers=headers,
        )
        payload = Payload(headers, lambda: _chunk_signer(caller))
        try:
            if operation.streams:
                request.blob = await self._receive_content(payload, body, headers)
            else:
                request.body = await _receive_document(payload, body)
            return await run_in_threadpool(operation.handler, request)
        finally:
            if request.blob is not None:
                self.store.remove(request.blob.name)

    def _authorise(self, operation: Operation, caller: Caller, target: Target, query: Mapping[str, str]) -> None:
        bucket = "" if operation.bucketless else target.bucket
        if operation.action == "s3:PutBucketPolicy" and bucket not in self.store.names():
            # DigitalOcean's word for it, which the official provider knows.
            raise S3Error("NoSuchKey", f"There is no bucket called {bucket}.")
        with self.store.transaction() as transaction:
            if bucket and target.region not in ("", transaction.bucket(bucket).region):
                raise S3Error("NoSuchBucket", f"There is no bucket called {bucket} in {target.region}.")
            version = query.get("versionId") or None
            authorise(transaction, caller, operation.action, operation.need, bucket, target.key, version)

    def _cors(self, method: str, bucket: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers a bucket's CORS rules add to an answer to a web page."""
        if "origin" not in headers or not bucket:
            return {}
        wanted = headers.get("access-control-request-method", method)
        asked = [name.strip() for name in headers.get("access-control-request-headers", "").split(",") if name.strip()]
        with self.store.transaction() as transaction:
            try:
                rules = transaction.bucket(bucket).cors
            except S3Error:
                return {}
        return cors.allow(rules, headers["origin"], wanted, asked) or {}

    async def _receive_content(self, payload: Payload, body: _Body, headers: Mapping[str, str]) -> Blob:
        if "content-length" not in headers and "transfer-encoding" not in headers:
            raise S3Error("MissingContentLength", "The request must say how long its body is.")
        name, file = await run_in_threadpool(self.store.new_blob)
        try:
            async for piece in payload.content(body.pieces()):
                if payload.size > LARGEST_PUT:
                    raise S3Error("EntityTooLarge", f"One request takes at most {LARGEST_PUT} bytes; use parts.")
                await run_in_threadpool(file.write, piece)
            await run_in_threadpool(keep, file)
        except BaseException:
            file.close()
            self.store.remove(name)
            raise
        return Blob(name=name, size=payload.size, etag=payload.md5.hexdigest())


class _Body:
    """The body of a request, in the pieces it comes in. Raises ClientDisconnect where it breaks off."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._more = True

    async def pieces(self) -> AsyncIterator[bytes]:
        while self._more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            self._more = message.get("more_body", False)
            yield message.get("body", b"")

    async def drain(self) -> None:
        """Takes in what is left, and drops it."""
        try:
            async for _ in self.pieces():
                pass
        except ClientDisconnect:
            self._more = False


def error_reply(error: S3Error, resource: str) -> Reply:
    """An error as S3 sends it."""
    request_id = str(uuid4())
    body = document(
        "Error", [("Code", error.code), ("Message", error.message), ("Resource", resource), ("RequestId", request_id)]
    )
    return Reply(status=error.status, body=body, headers={"x-amz-request-id": request_id, **error.headers})


async def answer_error(send: Send, error: S3Error, resource: str) -> None:
    """Sends an error, whatever was asked for."""
    reply = error_reply(error, resource)
    await _deliver(send, reply, reply.headers, head=False)


def _chunk_signer(caller: Caller) -> ChunkSigner | None:
    if caller.key is None or caller.signature is None:
        return None
    return ChunkSigner(caller.signature, caller.key.secret)


async def _receive_document(payload: Payload, body: _Body) -> bytes:
    data = b""
    async for piece in payload.content(body.pieces()):
        data += piece
        if len(data) > _LARGEST_DOCUMENT:
            raise S3Error("EntityTooLarge", f"A document has at most {_LARGEST_DOCUMENT} bytes.")
    return data


async def _deliver(send: Send, reply: Reply, headers: Mapping[str, str], *, head: bool) -> None:
    shown = {"server": "local-cloud-spaces", **headers}
    if reply.body:
        shown.setdefault("content-type", "application/xml")
    if reply.status not in (204, 304):
        shown.setdefault("content-length", str(len(reply.body)))
    start = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in shown.items()]
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": start})
        left = 0 if head else reply.length
        while reply.file is not None and left:
            data = await run_in_threadpool(reply.file.read, min(left, _PIECE))
            left -= len(data)
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b"" if head else reply.body})
    finally:
        if reply.file is not None:
            reply.file.close()
