"""Ports for the servers that tests start."""

import secrets
import socket

# Above those that installed programs use, and below those of the local cloud's servers and those that Linux gives to
# outgoing connections: one of these may be gone before its server listens.
FIRST, LAST = 10_000, 25_059


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on. Random, because other tests look for one at the same time."""
    while True:
        port = FIRST + secrets.randbelow(LAST - FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
