"""A stack of its own: a temporary workspace, a local cloud on a free port, the real engine."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Protocol, TypeVar

import psycopg
import yaml

from localcloud.servers.processes import Process
from tests.ports import free_port
from tools import ROOT
from trellis.development.bring import Parts
from trellis.development.dev import Stack, zones
from trellis.development.workspace import Workspace

STACK = "dev"
# By no proxy, whatever this shell or a test has set.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PROGRAM = "components trellis localcloud systems migrations".split()


class LocalStack:
    """A stack in a workspace of its own. `config` holds the keys that differ from the file in the program's folder."""

    def __init__(
        self, folder: Path, parts: Parts, name: str = STACK, root: Path = ROOT, port: int | None = None, **config: Any
    ) -> None:
        self.name = name
        self.root = root
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        folder.chmod(0o711)
        self.workspace = Workspace(folder=folder, port=port or free_port(), parts=parts, python=Path(sys.executable))
        self.config_file = folder / f"Pulumi.{name}.yaml"
        self.stack = Stack(self.workspace, name, self.config_file, root)
        self._committed = yaml.safe_load((root / f"Pulumi.{name}.yaml").read_text())
        self._config: dict[str, Any] = {}
        self._told: tuple[str, dict[str, Any]] | None = None
        self.configure(**config)

    def configure(self, **config: Any) -> None:
        """Sets keys under `trellis:` and rewrites the stack's config file."""
        self._config |= config
        api = self.workspace.api
        values = {
            **self._committed["config"],
            "digitalocean:apiEndpoint": api,
            "cloudflare:baseUrl": f"{api}/client/v4",
            **{f"trellis:{key}": value for key, value in self._config.items() if value is not None},
        }
        self.config_file.write_text(yaml.safe_dump({**self._committed, "config": values}))

    def start(self) -> None:
        """Starts the local cloud and makes the stack."""
        self.stack.run("python", "-m", "localcloud", "start", *(f"--zone={zone}" for zone in zones(self.root)))
        self.stack.prepare()

    def beside(self, name: str, **config: Any) -> "LocalStack":
        """Another stack of the same workspace, on the same local cloud, made and not yet deployed."""
        workspace = self.workspace
        other = LocalStack(workspace.folder, workspace.parts, name, self.root, workspace.port, **config)
        other.stack.prepare()
        return other

    def stop(self) -> None:
        """Stops the local cloud and deletes the workspace."""
        self.stack.run("python", "-m", "localcloud", "stop")
        for folder in (self.workspace.cloud_state, self.workspace.folder):
            shutil.rmtree(folder, ignore_errors=True)

    def pulumi(self, *arguments: str) -> "Finished":
        """Runs one command on the stack; a failure is a result, not an exception."""
        return self._run("pulumi", *arguments, "--stack", self.name, "--non-interactive", "--color", "never")

    def _run(self, *command: str) -> "Finished":
        done = subprocess.run(
            command, cwd=self.root, env=self.stack.environment, text=True, capture_output=True, check=False
        )
        return Finished(done.returncode, done.stdout + done.stderr)

    def up(self) -> str:
        """`trellis up`, which must work."""
        done = self.try_up()
        assert done.code == 0, done.text
        return done.text

    def command(self, name: str) -> tuple[str, ...]:
        """The command line of one of `trellis`' commands on the stack."""
        return ("python", "-m", "trellis", name, "--stack", self.name, "--config-file", str(self.config_file))

    def trellis(self, name: str, *options: str) -> "Finished":
        """One of `trellis`' commands on the stack; a failure is a result."""
        return self._run(*self.command(name), *options)

    def try_up(self, *options: str) -> "Finished":
        """`trellis up`, as `make up` runs it; a failure is a result."""
        return self.trellis("up", *options)

    def report(self) -> dict[str, Any]:
        """What a reviewer is told of the next deployment."""
        file = self.workspace.folder / "report.json"
        options = ("--json", "--no-shadow", "--output", str(file))
        done = self.trellis("preview-report", *options)
        assert done.code == 0, done.text
        return dict(json.loads(file.read_text()))

    def must(self, *arguments: str) -> str:
        """Runs one deployment command that must work; returns what it printed."""
        done = self.pulumi(*arguments, "--config-file", str(self.config_file))
        if done.code and arguments[0] == "preview" and "exited prematurely" in done.text:
            # The engine gives its plugins five seconds for their farewell, all together. A busy machine takes longer.
            done = self.pulumi(*arguments, "--config-file", str(self.config_file))
        assert done.code == 0, done.text
        return done.text

    def fails(self, *arguments: str) -> str:
        """Runs one deployment command that must fail; returns what it printed."""
        done = self.pulumi(*arguments, "--config-file", str(self.config_file))
        assert done.code != 0, done.text
        return done.text

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets shown; asked once for each state."""
        state = self.state()
        if self._told is None or self._told[0] != state:
            self._told = (state, outputs(self.stack))
        return deepcopy(self._told[1])

    def state(self) -> str:
        """The state file as it is on disk."""
        (path,) = (self.workspace.backend / ".pulumi" / "stacks" / "trellis").glob(f"{self.name}.json")
        return path.read_text()

    def api(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Asks the local cloud directly."""
        request = urllib.request.Request(
            self.workspace.api + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.stack.environment['DIGITALOCEAN_TOKEN']}",
                "Content-Type": "application/json",
            },
        )
        try:
            with DIRECT.open(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            error.add_note(f"{method} {path}: {error.read().decode(errors='replace')}")
            raise
        return json.loads(text) if text else None

    def changes(self, since: int = 0) -> list[tuple[str, str]]:
        """Every request since then that is no read: method and path, in order."""
        return [
            (entry["method"], entry["path"])
            for entry in self.journal()[since:]
            if entry["method"] not in ("GET", "HEAD") and not entry["path"].startswith("/_local")
        ]

    def journal(self, since: int = 0) -> list[dict[str, Any]]:
        """Every request that the local cloud has answered, after the one of that number."""
        return list(self.api("GET", f"/_local/journal?since={since}")["entries"])

    def authority(self) -> Path:
        """The CA certificate of the one cluster, as a file."""
        path = self.workspace.folder / "ca.crt"
        (certificate,) = self.outputs()["ca_certificates"].values()
        path.write_text(certificate)
        return path

    @contextlib.contextmanager
    def connect(self, uri: str, **options: Any) -> Iterator[psycopg.Connection[Any]]:
        """A verified connection that commits every statement. Pools do not take prepared statements."""
        with psycopg.connect(
            uri,
            sslrootcert=str(self.authority()),
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=30,
            **options,
        ) as connection:
            yield connection


@contextlib.contextmanager
def local_stack(parts: Parts, name: str = STACK, root: Path = ROOT, **config: Any) -> Iterator[LocalStack]:
    """A stack whose local cloud runs and that has deployed nothing; stopped and deleted in the end."""
    with open_folder() as folder:
        stack = LocalStack(folder, parts, name, root, **config)
        stack.start()
        try:
            yield stack
        finally:
            stack.stop()


def outputs(stack: Stack) -> dict[str, Any]:
    """A stack's outputs, secrets shown."""
    return dict(json.loads(stack.pulumi("stack", "output", "--json", "--show-secrets")))


@contextlib.contextmanager
def program_copy() -> Iterator[Path]:
    """A folder with a copy of the program, which a test may change. Its Villa has no DNS names."""
    with open_folder() as folder:
        for part in PROGRAM:
            shutil.copytree(ROOT / part, folder / part)
        for file in (ROOT / "__main__.py", *ROOT.glob("Pulumi*.yaml")):
            shutil.copy(file, folder)
        (folder / ".venv").symlink_to(sys.prefix)
        without_dns(folder)
        yield folder


def without_dns(folder: Path) -> None:
    """Takes Villa's DNS names away: Cloudflare's SDK takes longer to import than all the rest of a preview."""
    villa = folder / "systems" / "villa.yaml"
    villa.write_text(re.sub(r"^dns:\n( .*\n|\n)*", "", villa.read_text(), flags=re.MULTILINE))


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that the account of the servers can pass through.

    Not pytest's: that one is closed to others, and every run of pytest closes it again.
    """
    with tempfile.TemporaryDirectory(prefix="trellis-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


class Finished:
    """A command's exit code and everything it printed."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text


def wait_for(condition: Callable[[], bool], *, seconds: float = 300) -> None:
    """Polls until the condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the condition did not come true"
        time.sleep(0.05)


class Client(Protocol):
    """Somebody who works until it is ended."""

    def start(self) -> None: ...
    def end(self) -> None: ...


C = TypeVar("C", bound=Client)


@contextlib.contextmanager
def at_work(clients: Sequence[C]) -> Iterator[Sequence[C]]:
    """These work meanwhile."""
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        for client in clients:
            client.end()


def kill_when(stack: LocalStack, command: Sequence[str], moment: Callable[[], bool], seconds: float = 0) -> bool:
    """Runs a command until so long after a moment, then kills it with all that it started; whether it still ran."""
    run = subprocess.Popen(
        command,
        cwd=stack.root,
        env=stack.stack.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(lambda: run.poll() is not None or moment())
        time.sleep(seconds)
        return run.poll() is None
    finally:
        # Plugins lead process groups of their own and outlive their engine, so they are found before it dies.
        started = _frozen(run.pid)
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        run.wait()
        # A dying process still has its lock.
        wait_for(lambda: not any(map(Process.of, started)))


def _frozen(pid: int) -> list[int]:
    """The process and all that it started, each stopped before it is asked for its own: it starts none meanwhile."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, signal.SIGSTOP)
        # A child belongs to the thread that started it, and the engine has many.
        threads = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
        return [pid, *(found for children in threads for child in map(int, children) for found in _frozen(child))]
    return []


@contextlib.contextmanager
def from_address(source: str, host: str, port: int) -> Iterator[int]:
    """A port of 127.0.0.1 that hands every connection on to host:port with `source` as the client's address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(reader: socket.socket, writer: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := reader.recv(65536):
                writer.sendall(data)
        for end in (reader, writer):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((host, port), source_address=(source, 0))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.close()


def servers_of(folder: Path) -> list[str]:
    """The command lines of every process that names something inside `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(folder) in command:
                    found.append(command)
    return found
