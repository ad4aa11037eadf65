"""One managed Valkey: a server process, its files and what it remembers.

The program is valkey-server, or the redis-server it was made from: both take these settings and speak this protocol.
"""

import contextlib
import hashlib
import ipaddress
import json
import secrets
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from localcloud.servers import folders, ports, processes, sockets
from localcloud.servers.access import admits, networks
from localcloud.servers.certificates import CertificateAuthority
from localcloud.servers.errors import AlreadyExists, InvalidRequest, NotRunning, ServerError, StartFailed
from localcloud.servers.processes import Process
from localcloud.servers.resp import Refused, Session
from localcloud.servers.state import damaged, read
from localcloud.servers.tools import Tools

STATE_FILE = "valkey.json"

ADMIN_USER = "default"
PLATFORM_USER = "_platform"

ADMIN_COMMANDS = "+@all -@admin +client|list +client|kill +slowlog +latency"
"""What the admin user may run: everything but the commands by which the platform manages the server."""

RESTART_NEEDED = frozenset({"databases", "io-threads"})
"""Settings that a running server does not change."""

LOOPBACK = ipaddress.ip_address("127.0.0.1")
"""The address every ordinary client of this machine comes from."""

START_PATIENCE = 300.0
"""Seconds a server may take to come up; it reads its snapshot first."""

# A server that keeps snapshots writes one at SIGTERM. Seconds to wait after each signal.
STOP_STEPS = ((signal.SIGTERM, 120.0), (signal.SIGKILL, 10.0))


@dataclass(frozen=True, kw_only=True)
class ValkeySettings:
    """What may change in a server's life.

    max_memory_mib: what its data may take.
    directives: lines of the server's configuration, by name. An empty `save` keeps no snapshots: all data is lost
        when the server stops.
    """

    max_memory_mib: int
    directives: Mapping[str, str] = field(default_factory=dict)

    @property
    def persistent(self) -> bool:
        return self.directives.get("save") != ""

    def lines(self) -> dict[str, str]:
        return {**self.directives, "maxmemory": f"{self.max_memory_mib}mb"}


@dataclass(frozen=True, kw_only=True)
class ValkeySpec:
    """A Valkey to create. admin_password: the first password of the user "default"; only its hash is kept."""

    id: str
    settings: ValkeySettings
    admin_password: str = field(repr=False)
    public_host: str = "127.0.0.1"
    private_host: str = "127.0.0.2"


@dataclass(frozen=True, kw_only=True)
class _State:
    """Kept in `valkey.json`, written last when a server is created: with it, the server is complete."""

    id: str
    hosts: tuple[str, str]
    port: int
    settings: ValkeySettings
    password_hash: str
    platform_password: str = field(repr=False)
    trusted_sources: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> "_State":
        values = read(folder / STATE_FILE)
        try:
            first, second = values.pop("hosts")
            settings = ValkeySettings(**values.pop("settings"))
            sources = tuple(values.pop("trusted_sources"))
            return cls(hosts=(first, second), settings=settings, trusted_sources=sources, **values)
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(folder / STATE_FILE, error) from error


class Valkey:
    """The server of one cluster. Safe to call from several threads.

    Every method may raise ServerError; the subclasses (`localcloud.servers.errors`) say which kind. Use `create` or
    `load` to get one.
    """

    def __init__(self, folder: Path, state: _State, tools: Tools) -> None:
        self.folder = folder
        self._state = state
        self._tools = tools
        self._account = tools.owner()
        self._lock = threading.RLock()

    @classmethod
    def exists(cls, folder: Path) -> bool:
        """Whether a completely created server lives in `folder`."""
        return (folder / STATE_FILE).exists()

    @classmethod
    def create(cls, folder: Path, spec: ValkeySpec, tools: Tools, authority: CertificateAuthority) -> "Valkey":
        """Create and start the server. What an interrupted creation left in `folder` is removed first.

        Raises AlreadyExists, ToolMissing. After an error nothing is left in `folder`.
        """
        folder = folder.absolute()
        if cls.exists(folder):
            raise AlreadyExists(f"{folder} holds a Valkey already. Nothing was changed.")
        tools.valkey_server()
        account = tools.owner()
        folders.remove(folder)
        account.private_folder(folder)
        try:
            account.check_reach(folder / "data")
            account.private_folder(folder / "data")
            hosts = (spec.public_host, spec.private_host)
            issued = authority.issue(spec.id, (*hosts, "localhost"))
            account.write(folder / "server.crt", issued.certificate)
            account.write(folder / "server.key", issued.key)
            # Of a pair, as for PostgreSQL: every port that is given out has the next one to itself.
            port, _ = ports.choose(hosts, 2)
            state = _State(
                id=spec.id,
                hosts=hosts,
                port=port,
                settings=spec.settings,
                password_hash=_hash(spec.admin_password),
                platform_password=secrets.token_urlsafe(24),
            )
            made = cls(folder, state, tools)
            made.start()
            made._save(state)
        except BaseException:
            folders.remove(folder)
            raise
        return made

    @classmethod
    def load(cls, folder: Path, tools: Tools) -> "Valkey":
        """The server in `folder`, without starting it. Raises NotFound when there is no complete one."""
        folder = folder.absolute()
        return cls(folder, _State.load(folder), tools)

    @property
    def label(self) -> str:
        return f"Valkey of cluster {self._state.id}"

    @property
    def port(self) -> int:
        """The TLS port, the same on the public and the private host; kept for the server's whole life."""
        return self._state.port

    @property
    def settings(self) -> ValkeySettings:
        return self._state.settings

    @property
    def trusted_sources(self) -> tuple[str, ...]:
        return self._state.trusted_sources

    @property
    def log(self) -> Path:
        return self.folder / "valkey.log"

    @property
    def logs(self) -> Mapping[str, Path]:
        """The log file, by the server's name."""
        return {"valkey": self.log}

    def process(self) -> Process | None:
        """The running server, started by this run of the local cloud or an earlier one."""
        processes.reap()
        try:
            pid = int((self._data / "valkey.pid").read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None
        process = Process.of(pid)
        return process if process is not None and process.works_in(self._data) else None

    def running(self) -> bool:
        return self.process() is not None

    def start(self) -> None:
        """Start, or adopt what already runs here. Idempotent. Raises PortTaken, StartFailed."""
        with self._lock:
            sockets.create(self.folder, self._account)
            self._write_files()
            if self.process() is not None:
                with contextlib.suppress(ServerError):
                    self._apply(self.settings)
                    self._load_users()
                    return
                self.stop()
            processes.stop_within(self._data)
            if not self.settings.persistent:
                # Older data must not come back.
                (self._data / "dump.rdb").unlink(missing_ok=True)
            ports.require_free(self._state.hosts, self.port, self.label)
            seen = self.log.stat().st_size if self.log.exists() else 0
            command = [str(self._tools.valkey_server()), str(self.folder / "valkey.conf")]
            process = processes.spawn(command, folder=self._data, log=self.log, account=self._account)
            try:
                self._await_ready(process, seen)
            except BaseException:
                process.stop(*STOP_STEPS)
                raise

    def stop(self) -> None:
        """Stop, with a last snapshot when snapshots are kept. Idempotent."""
        with self._lock:
            process = self.process()
            if process is not None and not process.stop(*STOP_STEPS):
                raise ServerError(f"{self.label} (process {process.pid}) does not stop. Its log: {self.log}")
            sockets.remove(self.folder)

    def destroy(self) -> None:
        """Stop the server and remove its files. Idempotent."""
        with self._lock:
            # First: what is half removed must not pass for complete.
            (self.folder / STATE_FILE).unlink(missing_ok=True)
            folders.remove(self.folder)

    def configure(self, settings: ValkeySettings) -> None:
        """Follow new settings, with a restart where one is needed. A stopped server has them from its next start.

        Raises InvalidRequest, and keeps the old settings, when the server refuses one.
        """
        with self._lock:
            if self.process() is None:
                self._save(replace(self._state, settings=settings))
                return
            before = self.settings.lines()
            self._apply(settings)
            self._save(replace(self._state, settings=settings))
            self._write_files()
            if any(before.get(name) != settings.lines().get(name) for name in RESTART_NEEDED):
                self.stop()
                self.start()

    def set_password(self, name: str, password: str) -> None:
        """Change the password of the user "default". Open sessions stay. Raises InvalidRequest for any other user."""
        if name != ADMIN_USER:
            raise InvalidRequest(f"User {name!r}: a Valkey has the user {ADMIN_USER!r} only. Nothing was changed.")
        with self._lock:
            self._save(replace(self._state, password_hash=_hash(password)))
            self._refresh_users()

    def set_trusted_sources(self, sources: Sequence[str]) -> None:
        """Admit clients when these addresses and ranges include this machine's own, or when none are given.

        A Valkey cannot tell its clients' addresses apart: it admits all of them or none. When none are admitted,
        their sessions are ended. Raises InvalidRequest for a text that is neither an address nor a range.
        """
        networks(sources)
        with self._lock:
            self._save(replace(self._state, trusted_sources=tuple(sources)))
            self._refresh_users()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _open(self) -> bool:
        return admits(networks(self.trusted_sources), LOOPBACK)

    def _save(self, state: _State) -> None:
        self._account.write(self.folder / STATE_FILE, json.dumps(asdict(state), indent=1))
        self._state = state

    def _session(self) -> Session:
        """A session of the platform's own user."""
        session = Session.local(sockets.socket_folder(self.folder) / "valkey.sock")
        try:
            session.execute("AUTH", PLATFORM_USER, self._state.platform_password)
        except BaseException:
            session.close()
            raise
        return session

    def _execute(self, *commands: Sequence[str]) -> None:
        try:
            with self._session() as session:
                for command in commands:
                    session.execute(*command)
        except Refused as error:
            raise InvalidRequest(f"{self.label} refused a setting and keeps the old ones: {error}") from error
        except OSError as error:
            raise NotRunning(f"{self.label} does not answer: {error}. Its log: {self.log}") from error

    def _apply(self, settings: ValkeySettings) -> None:
        words = [word for line in settings.lines().items() if line[0] not in RESTART_NEEDED for word in line]
        # One command: all of them or, when one is refused, none.
        self._execute(["CONFIG", "SET", *words])

    def _refresh_users(self) -> None:
        self._write_files()
        if self.process() is not None:
            self._load_users()

    def _load_users(self) -> None:
        self._execute(["ACL", "LOAD"])
        if not self._open:
            self._execute(["CLIENT", "KILL", "USER", ADMIN_USER])

    def _write_files(self) -> None:
        state = self._state
        admitted = "on" if self._open else "off"
        self._account.write(
            self.folder / "users.acl",
            f"user {ADMIN_USER} {admitted} #{state.password_hash} ~* &* {ADMIN_COMMANDS}\n"
            f"user {PLATFORM_USER} on #{_hash(state.platform_password)} ~* &* +@all\n",
        )
        lines = {
            "bind": " ".join(dict.fromkeys(state.hosts)),
            "port": "0",
            "tls-port": str(state.port),
            "tls-cert-file": _quoted(self.folder / "server.crt"),
            "tls-key-file": _quoted(self.folder / "server.key"),
            "tls-auth-clients": "no",
            "tls-protocols": '"TLSv1.2 TLSv1.3"',
            "unixsocket": _quoted(sockets.socket_folder(self.folder) / "valkey.sock"),
            "unixsocketperm": "700",
            "dir": _quoted(self._data),
            "pidfile": _quoted(self._data / "valkey.pid"),
            "aclfile": _quoted(self.folder / "users.acl"),
            "appendonly": "no",
        }
        lines |= {name: value or '""' for name, value in state.settings.lines().items()}
        text = "".join(f"{name} {value}\n" for name, value in lines.items())
        self._account.write(self.folder / "valkey.conf", text)

    def _await_ready(self, process: Process, seen: int) -> None:
        deadline = time.monotonic() + START_PATIENCE
        while process.alive() and time.monotonic() < deadline:
            # Refused: it still reads its snapshot.
            with contextlib.suppress(OSError, Refused), self._session() as session:
                session.execute("PING")
                return
            time.sleep(0.02)
        processes.reap()
        raise StartFailed(
            f"{self.label} did not start. Its data is untouched. The end of {self.log}:\n"
            f"{processes.tail(self.log, seen)}"
        )


def _hash(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
