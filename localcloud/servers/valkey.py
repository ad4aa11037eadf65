"""One managed Valkey: a server process and what is done to it.

The program is valkey-server, or the redis-server it was made from: both take these settings and speak this protocol.
"""

import contextlib
import secrets
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.servers import folders, ports, processes, sockets
from localcloud.servers.access import networks
from localcloud.servers.certificates import CertificateAuthority
from localcloud.servers.errors import AlreadyExists, InvalidRequest, NotRunning, ServerError
from localcloud.servers.managed import Managed
from localcloud.servers.resp import Refused, Session
from localcloud.servers.server import Server
from localcloud.servers.state import load
from localcloud.servers.tools import Tools
from localcloud.servers.valkey_files import (
    ADMIN_USER,
    CONFIGURATION,
    PLATFORM_USER,
    STATE_FILE,
    ValkeySettings,
    ValkeySpec,
    ValkeyState,
    data_of,
    hashed,
    pidfile_of,
    socket_of,
    write_files,
)

RESTART_NEEDED = frozenset({"databases", "io-threads"})
"""Settings that a running server does not change."""


@dataclass(frozen=True, kw_only=True)
class ValkeyServer(Server):
    """The process; its snapshot is in `folder/data`."""

    LOG = "valkey.log"
    # It reads its snapshot first.
    PATIENCE = 300.0
    # A server that keeps snapshots writes one at SIGTERM.
    STOP_STEPS = ((signal.SIGTERM, 120.0), (signal.SIGKILL, 10.0))

    platform_password: str = field(repr=False)

    @property
    def home(self) -> Path:
        return data_of(self.folder)

    @property
    def pidfile(self) -> Path:
        return pidfile_of(self.folder)

    def answers(self) -> bool:
        # Refused: it still reads its snapshot.
        with contextlib.suppress(OSError, Refused), self.session() as session:
            session.execute("PING")
            return True
        return False

    def session(self) -> Session:
        """A session of the platform's own user."""
        session = Session.local(socket_of(self.folder))
        try:
            session.execute("AUTH", PLATFORM_USER, self.platform_password)
        except BaseException:
            session.close()
            raise
        return session


class Valkey(Managed[ValkeyState]):
    """The server of one cluster. Use `create` or `load` to get one."""

    FILE = STATE_FILE

    def __init__(self, folder: Path, state: ValkeyState, tools: Tools) -> None:
        super().__init__(folder, state, tools.owner())
        self._tools = tools
        self._server = ValkeyServer(
            folder=folder,
            label=f"Valkey of cluster {state.id}",
            hosts=state.hosts,
            port=state.port,
            account=self._account,
            platform_password=state.platform_password,
        )

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
            account.check_reach(data_of(folder))
            account.private_folder(data_of(folder))
            hosts = (spec.public_host, spec.private_host)
            issued = authority.issue(spec.id, (*hosts, "localhost"))
            account.write(folder / "server.crt", issued.certificate)
            account.write(folder / "server.key", issued.key)
            port = spec.port or ports.choose(hosts)[0]
            state = ValkeyState(
                id=spec.id,
                hosts=hosts,
                port=port,
                settings=spec.settings,
                password_hash=hashed(spec.admin_password),
                platform_password=secrets.token_urlsafe(24),
            )
            made = cls(folder, state, tools)
            made.start()
            made._remember()
        except BaseException:
            folders.remove(folder)
            raise
        return made

    @classmethod
    def load(cls, folder: Path, tools: Tools) -> "Valkey":
        """The server in `folder`, without starting it. Raises NotFound when there is no complete one."""
        folder = folder.absolute()
        return cls(folder, load(ValkeyState, folder / STATE_FILE), tools)

    @property
    def servers(self) -> tuple[Server, ...]:
        return (self._server,)

    def start(self) -> None:
        """Start, or adopt what already runs here. Idempotent. Raises PortTaken, StartFailed."""
        with self._lock:
            sockets.create(self.folder, self._account)
            self._write_files()
            if self.running():
                with contextlib.suppress(ServerError):
                    self._apply(self.state.settings)
                    self._load_users()
                    return
                self.stop()
            processes.stop_within(self._server.home)
            if not self.state.settings.persistent:
                # Older data must not come back.
                (self._server.home / "dump.rdb").unlink(missing_ok=True)
            self._server.launch(str(self._tools.valkey_server()), str(self.folder / CONFIGURATION))

    def stop(self) -> None:
        """Stop, with a last snapshot when snapshots are kept. Idempotent."""
        with self._lock:
            self._server.stop()
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
            if not self.running():
                self._remember(settings=settings)
                return
            before = self.state.settings.lines()
            self._apply(settings)
            self._remember(settings=settings)
            self._write_files()
            if any(before.get(name) != settings.lines().get(name) for name in RESTART_NEEDED):
                self.stop()
                self.start()

    def set_password(self, name: str, password: str) -> None:
        """Change the password of the user "default". Open sessions stay. Raises InvalidRequest for any other user."""
        if name != ADMIN_USER:
            raise InvalidRequest(f"User {name!r}: a Valkey has the user {ADMIN_USER!r} only. Nothing was changed.")
        with self._lock:
            self._remember(password_hash=hashed(password))
            self._refresh_users()

    def set_trusted_sources(self, sources: Sequence[str]) -> None:
        """Admit clients when an address of this machine is among these addresses and ranges, or when none are given.

        A Valkey cannot tell its clients' addresses apart: it admits all of them or none. When none are admitted,
        their sessions are ended. Raises InvalidRequest for a text that is neither an address nor a range.
        """
        networks(sources)
        with self._lock:
            self._remember(trusted_sources=tuple(sources))
            self._refresh_users()

    def _execute(self, *commands: Sequence[str]) -> None:
        try:
            with self._server.session() as session:
                for command in commands:
                    session.execute(*command)
        except Refused as error:
            raise InvalidRequest(f"{self._server.label} refused a setting and keeps the old ones: {error}") from error
        except OSError as error:
            raise NotRunning(f"{self._server.label} does not answer: {error}. Its log: {self._server.log}") from error

    def _apply(self, settings: ValkeySettings) -> None:
        words = [word for line in settings.lines().items() if line[0] not in RESTART_NEEDED for word in line]
        # One command: all of them or, when one is refused, none.
        self._execute(["CONFIG", "SET", *words])

    def _refresh_users(self) -> None:
        self._write_files()
        if self.running():
            self._load_users()

    def _load_users(self) -> None:
        self._execute(["ACL", "LOAD"])
        if not self.state.open:
            self._execute(["CLIENT", "KILL", "USER", ADMIN_USER])

    def _write_files(self) -> None:
        write_files(self.folder, self.state, self._account)
