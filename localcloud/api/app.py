"""The API as one ASGI application."""

import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from localcloud import servers
from localcloud.api.call import Call, Handler, Reply, Routes
from localcloud.api.cloudflare.envelope import failure
from localcloud.api.endpoints import ENDPOINTS
from localcloud.api.errors import ApiError, NotImplementedHere, PreconditionFailed, Unprocessable
from localcloud.api.front import Front
from localcloud.api.gate import Gate
from localcloud.cloud import Cloud

_log = logging.getLogger("localcloud.api")

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]
_SERVER_ERRORS: tuple[tuple[type[servers.ServerError], Callable[[str], ApiError]], ...] = (
    (servers.InvalidRequest, Unprocessable),
    (servers.AlreadyExists, Unprocessable),
    (servers.NotRunning, PreconditionFailed),
)


def build(cloud: Cloud, lifespan: Lifespan | None = None) -> ASGIApp:
    """The application that answers for `cloud`."""
    routes = [Route(path, _dispatcher(cloud, handlers), methods=_METHODS) for path, handlers in _sorted(ENDPOINTS)]
    routes.append(Route("/{rest:path}", _dispatcher(cloud, {}), methods=_METHODS))
    app = Starlette(routes=routes, lifespan=lifespan)
    # A slash at the end would otherwise be answered with a redirect, which clients follow as a GET.
    app.router.redirect_slashes = False
    return Front(Gate(app, cloud), cloud)


def _sorted(by_path: Routes) -> Iterable[tuple[str, Mapping[str, Handler]]]:
    """Fixed paths before parameters: /v2/databases/options is not a cluster called "options"."""
    return sorted(by_path.items(), key=lambda item: [part.startswith("{") for part in item[0].split("/")])


def _dispatcher(cloud: Cloud, handlers: Mapping[str, Handler]) -> Callable[[Request], Awaitable[Response]]:
    async def dispatch(request: Request) -> Response:
        call = Call(
            cloud=cloud,
            method=request.method,
            path=request.url.path,
            base_url=f"{request.url.scheme}://{request.url.netloc}",
            params=request.path_params,
            query=dict(request.query_params),
            body=request.scope["localcloud.body"],
            fault=request.scope["localcloud.fault"],
        )
        reply = await run_in_threadpool(_answer, call, handlers.get(request.method))
        if reply.body is None:
            return Response(status_code=reply.status, headers=dict(reply.headers))
        return JSONResponse(reply.body, status_code=reply.status, headers=dict(reply.headers))

    return dispatch


def _answer(call: Call, handler: Handler | None) -> Reply:
    try:
        if handler is None:
            raise NotImplementedHere(f"{call.method} {call.path}")
        return handler(call)
    except ApiError as error:
        return _error(call, error)
    except servers.ServerError as error:
        for kind, translation in _SERVER_ERRORS:
            if isinstance(error, kind):
                return _error(call, translation(str(error)))
        _log.exception("%s %s", call.method, call.path)
        return _error(call, ApiError(str(error)))
    except Exception:
        _log.exception("%s %s", call.method, call.path)
        return _error(call, ApiError("Unexpected server-side error; see the log of `serve`."))


def _error(call: Call, error: ApiError) -> Reply:
    if call.path.startswith("/client/"):
        return failure(error)
    body: dict[str, Any] = {"id": error.id, "message": error.message, "request_id": str(uuid.uuid4())}
    return Reply(status=error.status, body=body)
