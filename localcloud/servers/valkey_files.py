"""What a Valkey remembers, and the configuration files it runs by."""

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.servers import sockets
from localcloud.servers.access import networks
from localcloud.servers.account import Account

STATE_FILE = "valkey.json"
CONFIGURATION = "valkey.conf"

ADMIN_USER = "default"
PLATFORM_USER = "_platform"

ADMIN_COMMANDS = "+@all -@admin +client|list +client|kill +slowlog +latency"
"""What the admin user may run: everything but the commands by which the platform manages the server."""

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
"""Where every client comes from: the server listens on loopback only."""


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
    """A Valkey to create. admin_password: the first password of the user "default", kept as a hash. port: 0 for any."""

    id: str
    settings: ValkeySettings
    admin_password: str = field(repr=False)
    public_host: str = "127.0.0.1"
    private_host: str = "127.0.0.2"
    port: int = 0


@dataclass(frozen=True, kw_only=True)
class ValkeyState:
    """Kept in `valkey.json`, written last when a server is created: with it, the server is complete."""

    id: str
    hosts: tuple[str, str]
    port: int
    settings: ValkeySettings
    password_hash: str
    platform_password: str = field(repr=False)
    trusted_sources: tuple[str, ...] = ()

    @property
    def open(self) -> bool:
        """Whether clients are admitted."""
        return any(network.overlaps(LOOPBACK) for network in networks(self.trusted_sources))


def socket_of(folder: Path) -> Path:
    """The UNIX socket for the platform."""
    return sockets.socket_folder(folder) / "valkey.sock"


def data_of(folder: Path) -> Path:
    """The server's working directory, with its snapshot."""
    return folder / "data"


def pidfile_of(folder: Path) -> Path:
    return data_of(folder) / "valkey.pid"


def write_files(folder: Path, state: ValkeyState, account: Account) -> None:
    """Write the users and the configuration of the server in `folder`. It reads them at its start."""
    admitted = "on" if state.open else "off"
    account.write(
        folder / "users.acl",
        f"user {ADMIN_USER} {admitted} #{state.password_hash} ~* &* {ADMIN_COMMANDS}\n"
        f"user {PLATFORM_USER} on #{hashed(state.platform_password)} ~* &* +@all\n",
    )
    lines = {
        "bind": " ".join(dict.fromkeys(state.hosts)),
        "port": "0",
        "tls-port": str(state.port),
        "tls-cert-file": _quoted(folder / "server.crt"),
        "tls-key-file": _quoted(folder / "server.key"),
        "tls-auth-clients": "no",
        "tls-protocols": '"TLSv1.2 TLSv1.3"',
        "unixsocket": _quoted(socket_of(folder)),
        "unixsocketperm": "700",
        "dir": _quoted(data_of(folder)),
        "pidfile": _quoted(pidfile_of(folder)),
        "aclfile": _quoted(folder / "users.acl"),
        "appendonly": "no",
    }
    lines |= {name: value or '""' for name, value in state.settings.lines().items()}
    account.write(folder / CONFIGURATION, "".join(f"{name} {value}\n" for name, value in lines.items()))


def hashed(password: str) -> str:
    """A password as the users' file has it."""
    return hashlib.sha256(password.encode()).hexdigest()


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
