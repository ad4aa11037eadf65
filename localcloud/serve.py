"""The process behind the API: opens the cloud, serves it on loopback, stops everything when told to."""

import fcntl
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool

from localcloud.api.app import build
from localcloud.cloud import Cloud
from localcloud.options import HOST, PORT_VARIABLE, Layout, Options

_log = logging.getLogger("localcloud")


_PATIENCE = 30
"""Seconds a request under way gets to finish when the process is told to stop."""


class AlreadyServed(Exception):
    """Another process serves this state folder."""


class PortTaken(Exception):
    """Another program listens on the port."""


def check_port(options: Options) -> None:
    """Raises PortTaken when the API could not listen."""
    with _listener(options):
        pass


def serve(options: Options) -> None:
    """Serves until SIGTERM or SIGINT. Raises AlreadyServed, PortTaken, StateError, servers.ServerError."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    Layout(state=options.state).create()
    # The port comes first: without it no server may be started.
    with _sole_process(options), _listener(options) as listener:
        cloud = Cloud.open(options)

        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            cloud.fleet.settle_all()
            yield
            _log.info("stopping all servers")
            await run_in_threadpool(cloud.fleet.stop_all)
            cloud.journal.close()

        config = uvicorn.Config(
            build(cloud, lifespan),
            http="h11",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_PATIENCE,
        )
        uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def _listener(options: Options) -> Iterator[socket.socket]:
    try:
        listener = socket.create_server((HOST, options.port))
    except OSError as problem:
        raise PortTaken(
            f"Port {options.port} on {HOST} cannot be used: {problem.strerror}. "
            f"Choose another one with --port or {PORT_VARIABLE}."
        ) from problem
    with listener:
        yield listener


@contextmanager
def _sole_process(options: Options) -> Iterator[None]:
    """Holds the folder's lock, which the system frees when the process dies however it dies."""
    lock = Layout(state=options.state).lock
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyServed(f"{options.state} is served by another process (see {lock}).") from None
        file.truncate()
        json.dump({"pid": os.getpid(), "port": options.port}, file)
        file.flush()
        yield
        file.truncate(0)
