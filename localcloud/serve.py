"""The process behind the API: opens the cloud, serves it on loopback, stops everything when told to."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from uvicorn.protocols.http.h11_impl import H11Protocol

from localcloud import files
from localcloud.alerts import Alerts
from localcloud.api.app import build
from localcloud.backups import BackupSchedule
from localcloud.claims import listener, sole_process
from localcloud.cloud import Cloud
from localcloud.logsinks import LogSinks
from localcloud.metrics import Metrics
from localcloud.options import HOST, Layout, Options

_log = logging.getLogger("localcloud")

_TLS_OFFSET = 363
"""The API speaks TLS so many ports further on, 7443 for 7080, or where there is a free one if that is taken."""
_PATIENCE = 30
"""Seconds a request under way gets to finish when the process is told to stop."""


def context(cloud: Cloud) -> ssl.SSLContext:
    """For what this process serves: a new certificate. The authority's, which clients trust, is written beside it."""
    issued = cloud.fleet.authority.issue("localcloud", (HOST, "localhost"))
    files.replace(cloud.layout.trust, cloud.fleet.authority.pem)
    files.replace(cloud.layout.certificate, issued.key + issued.certificate)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(cloud.layout.certificate)
    return made


def serve(options: Options) -> None:
    """Serves until SIGTERM or SIGINT. Raises AlreadyServed, PortTaken, StateError, servers.ServerError."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    Layout(state=options.state).create()
    # The port comes first: without it no server may be started.
    with sole_process(options), listener(options) as socket:
        cloud = Cloud.open(options)

        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            cloud.droplets.settle_all()
            cloud.fleet.settle_all()
            cloud.fleet.supervise()
            try:
                secure = await over_tls(options.port + _TLS_OFFSET)
            except (OSError, OverflowError):
                secure = await over_tls(0)
            cloud.addresses["tls"] = f"https://{HOST}:{secure.sockets[0].getsockname()[1]}"
            metrics = asyncio.create_task(answering.listen(over_tls))
            tickers = (
                BackupSchedule(cloud.fleet, cloud.state),
                LogSinks(cloud.layout, cloud.state),
                Alerts(cloud.layout, cloud.state, options.pace or 1.0),
            )
            for ticker in tickers:
                ticker.start()
            sweeper = asyncio.create_task(cloud.spaces.sweep_for_ever())
            yield
            sweeper.cancel()
            for ticker in tickers:
                ticker.stop()
            metrics.cancel()
            secure.close()
            _log.info("stopping all servers")
            await run_in_threadpool(cloud.droplets.stop_all)
            await run_in_threadpool(cloud.fleet.stop_all)
            cloud.spaces.store.close()
            cloud.journal.close()

        answering = Metrics(build(cloud, lifespan), cloud)
        config = uvicorn.Config(
            answering,
            http="h11",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_PATIENCE,
        )
        server = uvicorn.Server(config)
        trusted = context(cloud)

        async def over_tls(port: int) -> asyncio.Server:
            """Listens on one more port. Raises OSError when it is taken."""
            protocol = partial(H11Protocol, config=config, server_state=server.server_state, app_state={})
            return await asyncio.get_running_loop().create_server(protocol, HOST, port, ssl=trusted)

        server.run(sockets=[socket])
