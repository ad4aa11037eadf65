"""The process behind the API: opens the cloud, serves it on loopback, stops everything when told to."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool

from localcloud.alerts import Alerts
from localcloud.api.app import build
from localcloud.backups import BackupSchedule
from localcloud.claims import listener, sole_process
from localcloud.cloud import Cloud
from localcloud.listening import Server
from localcloud.logsinks import LogSinks
from localcloud.metrics import Metrics
from localcloud.options import Layout, Options
from localcloud.tls import context

_log = logging.getLogger("localcloud")

_PATIENCE = 30
"""Seconds a request under way gets to finish when the process is told to stop."""


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
            backups = BackupSchedule(cloud.fleet, cloud.state)
            backups.start()
            metrics = asyncio.create_task(answering.listen(server))
            sinks = LogSinks(cloud.layout, cloud.state)
            sinks.start()
            alerts = Alerts(cloud.layout, cloud.state, options.pace or 1.0)
            alerts.start()
            sweeper = asyncio.create_task(cloud.spaces.sweep_for_ever())
            yield
            sweeper.cancel()
            backups.stop()
            sinks.stop()
            alerts.stop()
            metrics.cancel()
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
        server = Server(config, context(cloud.layout, cloud.fleet.authority))
        server.run(sockets=[socket])
