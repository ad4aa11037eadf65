"""The metrics endpoint of every cluster: Prometheus' text format over TLS, behind the account's user and password."""

import base64
import hmac
import logging
import ssl
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg

from localcloud import servers
from localcloud.cloud import Cloud
from localcloud.jobs import Ticker
from localcloud.measures import Meter, exposition
from localcloud.networks import PUBLIC_HOST
from localcloud.tls import context

_log = logging.getLogger("localcloud.metrics")
_TICK = 0.5
"""Seconds between two looks at which clusters there are."""


class Metrics(Ticker):
    """Listens for every cluster on a port of its own."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__("metrics", self._look, _TICK)
        self._cloud = cloud
        self._listening: dict[str, ThreadingHTTPServer] = {}

    def close(self) -> None:
        self.stop(wait=True)
        for id in list(self._listening):
            self._end(id)

    def _look(self) -> None:
        clusters = {item.id: item for item in self._cloud.state.read().clusters.values() if not item.deleting}
        for id in [id for id in self._listening if id not in clusters]:
            self._end(id)
        for id in [id for id, item in clusters.items() if item.metrics_port and id not in self._listening]:
            try:
                self._listening[id] = self._listen(id, clusters[id].metrics_port)
            except OSError as problem:
                _log.warning("cluster %s has no metrics: %s", clusters[id].name, problem)

    def _listen(self, id: str, port: int) -> ThreadingHTTPServer:
        handler = partial(_Handler, self._cloud, id, Meter(self._cloud.layout.cluster(id)))
        server = ThreadingHTTPServer((PUBLIC_HOST, port), handler)
        # The handshake is the handler's thread's: one client that says nothing must not keep the others waiting.
        server.socket = context(self._cloud.layout, self._cloud.fleet.authority).wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=server.serve_forever, name=f"metrics {id}", daemon=True).start()
        return server

    def _end(self, id: str) -> None:
        server = self._listening.pop(id)
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    timeout = 30

    def __init__(self, cloud: Cloud, id: str, meter: Meter, *connection: object) -> None:
        self._cloud, self._id, self._meter = cloud, id, meter
        super().__init__(*connection)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """GET /metrics."""
        status, text = 404, "There is only /metrics here.\n"
        if not self._is_allowed():
            status, text = 401, "User and password are those of GET /v2/databases/metrics/credentials.\n"
        elif self.path.partition("?")[0] == "/metrics":
            status, text = self._measured()
        self.send_response(status)
        if status == 401:
            self.send_header("www-authenticate", "Basic")
        self.send_header("content-type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing: a scrape is no event."""

    def _measured(self) -> tuple[int, str]:
        record = self._cloud.state.read().clusters[self._id]
        try:
            samples = self._meter.samples(record, self._cloud.fleet.servers_of(self._id))
            return 200, exposition(samples, {"service": record.name, "host": PUBLIC_HOST})
        except (servers.ServerError, psycopg.Error) as problem:
            return 503, f"{record.name} does not answer: {problem}\n"

    def _is_allowed(self) -> bool:
        login = self._cloud.state.read().metrics_logins["account"]
        wanted = f"{login.username}:{self._cloud.vault.open(login.sealed_password)}"
        expected = "Basic " + base64.b64encode(wanted.encode()).decode()
        return hmac.compare_digest(expected.encode(), self.headers.get("authorization", "").encode())

    def handle(self) -> None:
        """Ends quietly with a client that speaks no TLS, does not trust the certificate, or goes away."""
        try:
            super().handle()
        except (ssl.SSLError, OSError):
            self.close_connection = True
