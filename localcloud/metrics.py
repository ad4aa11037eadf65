"""The metrics endpoint of every cluster: Prometheus' text format over TLS, behind the account's user and password."""

import asyncio
import base64
import hmac
import logging
from collections.abc import Awaitable, Callable

import psycopg
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from localcloud import servers
from localcloud.cloud import Cloud
from localcloud.measures import Meter, exposition
from localcloud.networks import PUBLIC_HOST

_log = logging.getLogger("localcloud.metrics")
_TICK = 0.5
"""Seconds between two looks at which clusters there are."""


class Metrics:
    """Answers on the ports of clusters, and leaves everything else to the application behind it."""

    def __init__(self, app: ASGIApp, cloud: Cloud) -> None:
        self._app = app
        self._cloud = cloud
        self._listening: dict[int, tuple[str, Meter, asyncio.Server]] = {}

    async def listen(self, open: Callable[[int], Awaitable[asyncio.Server]]) -> None:
        """Until it is cancelled, listens for every cluster there is, on a port of its own. open: how, over TLS."""
        while True:
            clusters = self._cloud.state.read().clusters.values()
            wanted = {item.metrics_port: item for item in clusters if item.metrics_port and not item.deleting}
            for port in set(self._listening) - set(wanted):
                self._listening.pop(port)[2].close()
            for port in set(wanted) - set(self._listening):
                record = wanted[port]
                try:
                    server = await open(port)
                except OSError as problem:
                    _log.warning("cluster %s has no metrics: %s", record.name, problem)
                    continue
                self._listening[port] = record.id, Meter(self._cloud.layout.cluster(record.id)), server
            await asyncio.sleep(_TICK)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._listening.get((scope.get("server") or ("", 0))[1])
        if scope["type"] != "http" or found is None:
            await self._app(scope, receive, send)
            return
        status, text = 404, "There is only /metrics here.\n"
        if not self._is_allowed(Headers(scope=scope).get("authorization", "")):
            status, text = 401, "User and password are those of GET /v2/databases/metrics/credentials.\n"
        elif scope["path"] == "/metrics":
            status, text = await run_in_threadpool(self._measured, *found[:2])
        headers = {"www-authenticate": "Basic"} if status == 401 else {}
        await PlainTextResponse(text, status, headers, "text/plain; version=0.0.4")(scope, receive, send)

    def _measured(self, id: str, meter: Meter) -> tuple[int, str]:
        record = self._cloud.state.read().clusters[id]
        try:
            samples = meter.samples(record, self._cloud.fleet.servers_of(id))
            return 200, exposition(samples, {"service": record.name, "host": PUBLIC_HOST})
        except (servers.ServerError, psycopg.Error) as problem:
            return 503, f"{record.name} does not answer: {problem}\n"

    def _is_allowed(self, given: str) -> bool:
        login = self._cloud.state.read().metrics_logins["account"]
        wanted = f"{login.username}:{self._cloud.vault.open(login.sealed_password)}"
        return hmac.compare_digest(b"Basic " + base64.b64encode(wanted.encode()), given.encode())
