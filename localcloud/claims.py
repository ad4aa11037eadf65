"""What a serving process holds alone: the state folder, by a lock, and the port."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from localcloud.options import HOST, PORT_VARIABLE, Layout, Options
from localcloud.waiting import until

_PATIENCE = 3.0
"""Seconds for which a lock is tried."""


class AlreadyServed(Exception):
    """Another process serves this state folder."""


class PortTaken(Exception):
    """Another program listens on the port."""


def check_port(options: Options) -> None:
    """Raises PortTaken when the API could not listen."""
    with listener(options):
        pass


@contextmanager
def listener(options: Options) -> Iterator[socket.socket]:
    """The API's listening socket. Raises PortTaken."""
    try:
        opened = socket.create_server((HOST, options.port))
    except OSError as problem:
        raise PortTaken(
            f"Port {options.port} on {HOST} cannot be used: {problem.strerror}. "
            f"Choose another one with --port or {PORT_VARIABLE}."
        ) from problem
    with opened:
        # Accepted connections inherit it. Otherwise each answer on one that is kept alive waits 40 ms for the client.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield opened


def is_free(file: IO[str]) -> bool:
    """Whether no process serves the folder this lock file is in. Holds the lock for the moment of looking."""
    free = _locked(file, fcntl.LOCK_SH)
    if free:
        fcntl.flock(file, fcntl.LOCK_UN)
    return free


@contextmanager
def sole_process(options: Options) -> Iterator[None]:
    """Holds the folder's lock, which the system frees when the process dies however it dies. Raises AlreadyServed."""
    lock = Layout(state=options.state).lock
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        # Another process may just be looking who holds it.
        if not until(lambda: _locked(file, fcntl.LOCK_EX), _PATIENCE):
            raise AlreadyServed(f"{options.state} is served by another process (see {lock}).")
        file.truncate()
        json.dump({"pid": os.getpid(), "port": options.port}, file)
        file.flush()
        yield
        file.truncate(0)


def _locked(file: IO[str], how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
