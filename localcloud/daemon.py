"""Starting and stopping the serving process from another one, and asking it how it is."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

from localcloud import files
from localcloud.access import find_token
from localcloud.claims import is_free
from localcloud.options import HOST, Layout, Options
from localcloud.waiting import until

_PACKAGE_PARENT = Path(__file__).resolve().parent.parent
_POLL_SECONDS = 0.1


class DaemonError(Exception):
    """The serving process cannot be started or stopped. The text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """A serving process. It is alive: it holds the folder's lock."""

    pid: int
    port: int
    token: str = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def get(self, path: str, timeout: float = 10.0) -> Any:
        """The JSON answer of a /_local call. Raises OSError when nothing answers."""
        # A proxy from the environment must not see what is meant for loopback.
        request = Request(self.url + path, headers={"Authorization": f"Bearer {self.token}"})  # noqa: S310
        with build_opener(ProxyHandler({})).open(request, timeout=timeout) as answer:
            return json.load(answer)


def find(state: Path) -> Process | None:
    """The process that serves this folder, or None."""
    try:
        descriptor = os.open(Layout(state=state).lock, os.O_RDWR)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "r", encoding="utf-8") as file:
        return None if is_free(file) else _read(file.read, find_token(Layout(state=state).token))


def start(options: Options, progress: Callable[[str], None]) -> Process:
    """Starts a serving process and waits until every cluster is up. Raises DaemonError."""
    layout = Layout(state=options.state)
    layout.create()
    log = os.open(layout.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    beginning = layout.log.stat().st_size
    command = [sys.executable, "-m", "localcloud", "serve", "--state", str(options.state), "--port", str(options.port)]
    command += ["--postgresql", str(options.postgresql), "--pgbouncer", str(options.pgbouncer)]
    command += [] if options.valkey is None else ["--valkey", str(options.valkey)]
    command += [] if options.droplet_images is None else ["--droplet-images", str(options.droplet_images)]
    command += ["--pace", str(options.pace), *(["--rate-limits"] if options.rate_limits else [])]
    command += [argument for zone in options.zones for argument in ("--zone", zone)]
    search_path = os.pathsep.join(filter(None, [str(_PACKAGE_PARENT), os.environ.get("PYTHONPATH", "")]))
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": search_path},
    )
    os.close(log)
    try:
        progress(f"Starting the local cloud (state {options.state}, log {layout.log})")
        return _wait_until_ready(options, child, beginning, progress)
    except KeyboardInterrupt:
        # It leads a session of its own, so nobody else tells it.
        child.terminate()
        raise


def stop(process: Process, state: Path, progress: Callable[[str], None], timeout: float = 180.0) -> None:
    """Stops the process with all its servers and waits. Raises DaemonError when it does not end in time."""
    try:
        os.kill(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    progress("Stopping the API and all servers")
    if not until(lambda: find(state) is None, timeout, _POLL_SECONDS):
        raise DaemonError(
            f"Process {process.pid} did not stop within {timeout:.0f} seconds. Look into {Layout(state=state).log}."
        )


def failures(state: Path, patience: float = 30.0) -> dict[str, str]:
    """What does not run of clusters, replicas and Droplets, and why. patience: seconds to come back. Raises OSError."""
    deadline = time.monotonic() + patience
    while True:
        process = find(state)
        if process is None:
            raise ConnectionError(f"No local cloud is running for {state}.")
        found: dict[str, str] = process.get("/_local/health")["failures"]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(_POLL_SECONDS)


def _wait_until_ready(
    options: Options, child: subprocess.Popen[bytes], beginning: int, progress: Callable[[str], None]
) -> Process:
    layout = Layout(state=options.state)
    reported = 0
    while True:
        if child.poll() is not None:
            lines = files.tail(layout.log, beginning)
            raise DaemonError(f"The local cloud did not start. The end of {layout.log}:\n{lines}")
        process = find(options.state)
        health = _health(process)
        if process is not None and health is not None:
            if health["status"] == "ready":
                for name, failure in health["failures"].items():
                    progress(f"{name} could not be started: {failure}")
                return process
            if health["jobs"] != reported:
                reported = health["jobs"]
                progress(f"Bringing up {reported} cluster{'s' if reported != 1 else ''}")
        time.sleep(_POLL_SECONDS)


def _health(process: Process | None) -> dict[str, Any] | None:
    if process is None:
        return None
    try:
        health: dict[str, Any] = process.get("/_local/health")
        return health
    except (URLError, OSError):
        return None


def _read(read: Callable[[], str], token: str) -> Process:
    # The holder writes its line right after it takes the lock; a reader can come in between.
    text = read()
    for _ in range(50):
        if text:
            break
        time.sleep(_POLL_SECONDS)
        text = read()
    try:
        fields = json.loads(text)
        return Process(pid=int(fields["pid"]), port=int(fields["port"]), token=token)
    except (ValueError, TypeError, KeyError):
        raise DaemonError(
            f"A process holds the lock of the state folder, and serve.lock does not say which: {text[:40]!r}. "
            "Find it with `fuser serve.lock`, end it, and start again."
        ) from None
