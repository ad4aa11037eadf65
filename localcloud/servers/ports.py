"""TCP ports of the servers."""

import random
import socket
import threading
from collections.abc import Collection, Sequence

from localcloud.servers.errors import PortTaken, StartFailed

# From DigitalOcean's own 25060 (direct) and 25061 (pool) up to where Linux hands out ports to outgoing connections.
FIRST = 25060
LAST = 32766

_given: set[int] = set()
_lock = threading.Lock()


def free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As PostgreSQL and PgBouncer do: connections that linger in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def choose(hosts: Sequence[str], taken: Collection[int] = ()) -> tuple[int, int]:
    """Two neighbouring ports, the first one even, free on every host and never given out twice by this process.

    Random, because a stopped cluster of another local cloud on this machine does not hold its ports.
    taken: ports of servers that need not run.
    """
    candidates = list(range(FIRST, LAST, 2))
    random.shuffle(candidates)
    with _lock:
        for first in candidates:
            pair = (first, first + 1)
            if (
                _given.isdisjoint(pair)
                and first not in taken
                and all(free(host, port) for host in hosts for port in pair)
            ):
                _given.update(pair)
                return pair
    raise StartFailed(f"No free ports between {FIRST} and {LAST} on {' and '.join(hosts)}. Nothing was started.")


def require_free(hosts: Sequence[str], port: int, server: str) -> None:
    """Raise PortTaken unless a server can listen on `port` of every host."""
    for host in hosts:
        if not free(host, port):
            raise PortTaken(
                f"{server} cannot start: port {port} on {host} is taken by a process that is not one of the cluster's"
                f" servers. Find it with `ss -ltnp 'sport = :{port}'`, stop it, and start again. The cluster's data"
                " is untouched."
            )
