"""Loopback addresses for machines. All of 127.0.0.0/8 is this computer, so no interface has to be made."""

import ipaddress
import secrets
from collections.abc import Collection
from pathlib import Path

_FIRST_BLOCK = 16
"""Clusters are on 127.0.0.1 and 127.0.0.2, and resolvers like the low blocks."""


def choose(taken: Collection[str]) -> tuple[str, str]:
    """A public and a private address, neighbours, that no machine in `taken` has and nothing listens on.

    Random, because the machines of another local cloud on this computer may be stopped.
    """
    busy = {*taken, *_listening()}
    while True:
        prefix = f"127.0.{_FIRST_BLOCK + secrets.randbelow(256 - _FIRST_BLOCK)}"
        last = 1 + secrets.randbelow(253)
        pair = f"{prefix}.{last}", f"{prefix}.{last + 1}"
        if busy.isdisjoint(pair):
            return pair


def _listening() -> set[str]:
    """Local IPv4 addresses of all TCP sockets."""
    lines = Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
    numbers = (line.split()[1].partition(":")[0] for line in lines)
    return {str(ipaddress.IPv4Address(bytes.fromhex(number)[::-1])) for number in numbers}
