"""A request on a connection that is kept: the local cloud's API against Python's own server with a fixed answer."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bench.timing import compare
from tests.stacks.harness import local_stack
from trellis.development.bring import Parts

REQUESTS = 200


class _Fixed(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def run(parts: Parts) -> None:
    """Times so many requests one after another, each way on one connection."""
    with local_stack(parts) as stack, _fixed() as port:
        token = {"Authorization": f"Bearer {stack.stack.environment['DIGITALOCEAN_TOKEN']}"}
        compare(
            f"{REQUESTS} requests to the local cloud's API",
            _requests(stack.workspace.port, token),
            _requests(port, {}),
            against="the same to Python's http.server",
        )


@contextmanager
def _fixed() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Fixed) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def _requests(port: int, headers: dict[str, str]) -> Callable[[], None]:
    def call() -> None:
        connection = HTTPConnection("127.0.0.1", port)
        for _ in range(REQUESTS):
            connection.request("GET", "/v2/account", headers=headers)
            connection.getresponse().read()
        connection.close()

    return call
