"""Where a local cloud keeps its state, where it listens and which server programs it runs."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 7080
DEFAULT_STATE = Path(".localcloud")

STATE_VARIABLE = "LOCALCLOUD_STATE"
PORT_VARIABLE = "LOCALCLOUD_PORT"
POSTGRESQL_VARIABLE = "LOCALCLOUD_POSTGRESQL"
PGBOUNCER_VARIABLE = "LOCALCLOUD_PGBOUNCER"
DROPLET_IMAGES_VARIABLE = "LOCALCLOUD_DROPLET_IMAGES"
VALKEY_VARIABLE = "LOCALCLOUD_VALKEY"
PACE_VARIABLE = "LOCALCLOUD_PACE"
RATE_LIMITS_VARIABLE = "LOCALCLOUD_RATE_LIMITS"
ZONES_VARIABLE = "LOCALCLOUD_ZONES"

HOST = "127.0.0.1"
"""The one address the API listens on."""


class OptionError(Exception):
    """An option or its environment variable cannot be used. The text names both."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `serve` needs to know.

    state: folder of everything the cloud keeps. port: TCP port of the API.
    postgresql: folder with one PostgreSQL installation per major version. pgbouncer: the PgBouncer program.
    valkey: valkey-server or a redis-server in its place; without one there are no Valkey clusters.
    droplet_images: folder with one root file system an image slug; without one there are no Droplets.
    zones: Cloudflare zones that exist from the start.
    pace: how long things take, as a share of what they take at DigitalOcean; 0 for no longer than they must.
    rate_limits: whether calls above DigitalOcean's limits are refused.
    """

    state: Path
    port: int
    postgresql: Path
    pgbouncer: Path
    valkey: Path | None = None
    droplet_images: Path | None = None
    zones: tuple[str, ...] = ()
    pace: float = 0.0
    rate_limits: bool = False

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


class Layout:
    """The files in a state folder."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.records = state / "state.json"
        self.journal = state / "journal.jsonl"
        self.key = state / "secret.key"
        self.token = state / "access.token"
        self.log = state / "serve.log"
        self.lock = state / "serve.lock"
        """Held, and filled with pid and port, by the process that serves this folder."""
        self.authority = state / "ca"
        self.mail = state / "mail.jsonl"
        self.trust = state / "ca.crt"
        """The authority's certificate, for clients that speak TLS with this process."""
        self.certificate = state / "tls.pem"
        self.spaces = state / "spaces"
        self.machines = state / "machines"
        self.volumes = state / "volumes"

    def create(self) -> None:
        """Makes the folder. Only its owner may look into it."""
        # Servers of a local cloud run by root belong to another account, which must get through to their folders.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(mode)

    def cluster(self, id: str) -> Path:
        return self.state / "clusters" / id

    def replica(self, id: str) -> Path:
        return self.state / "replicas" / id

    def machine(self, id: int) -> Path:
        return self.machines / str(id)

    def volume(self, id: str) -> Path:
        return self.volumes / id


def state_folder(given: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """The state folder: the option, else LOCALCLOUD_STATE, else ./.localcloud; always absolute. Raises OptionError."""
    folder = (given or Path(environment.get(STATE_VARIABLE) or DEFAULT_STATE)).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise OptionError(f"--state (or {STATE_VARIABLE}) {folder}: a file. Give a folder.")
    return folder


def port_number(given: int | None, environment: Mapping[str, str] = os.environ) -> int | None:
    """The port that was asked for by option or LOCALCLOUD_PORT; None when neither says one. Raises OptionError."""
    if given is None and environment.get(PORT_VARIABLE):
        text = environment[PORT_VARIABLE]
        if not text.isdigit():
            raise OptionError(f"{PORT_VARIABLE}={text}: not a port number. Allowed: 1024 to 65535.")
        given = int(text)
    if given is not None and not 1024 <= given <= 65535:
        raise OptionError(f"--port (or {PORT_VARIABLE}) {given}: not usable. Allowed: 1024 to 65535.")
    return given


def program(option: str, variable: str, given: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """A path that must be given, by `option` or by the environment `variable`. Raises OptionError when missing."""
    path = given or (Path(environment[variable]) if environment.get(variable) else None)
    if path is None:
        raise OptionError(f"{option} is missing. Give it, or set {variable}.")
    path = path.expanduser().absolute()
    if not path.exists():
        raise OptionError(f"{option} (or {variable}) {path}: there is no such file or folder.")
    return path


def valkey_server(given: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The program of Valkey clusters: the option, else LOCALCLOUD_VALKEY, else the first one on PATH, else None.

    Raises OptionError when there is nothing where the option or the variable says.
    """
    if given or environment.get(VALKEY_VARIABLE):
        return program("--valkey", VALKEY_VARIABLE, given, environment)
    found = next(filter(None, map(shutil.which, ("valkey-server", "redis-server"))), None)
    return Path(found) if found else None


def droplet_images(given: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder of images that was named by option or by LOCALCLOUD_DROPLET_IMAGES, if any. It may come later."""
    named = given or (environment.get(DROPLET_IMAGES_VARIABLE) or None)
    return Path(named).expanduser().absolute() if named else None


def pace(given: str | None, environment: Mapping[str, str] = os.environ) -> float:
    """The factor of the option, else of LOCALCLOUD_PACE, else 0. Raises OptionError."""
    text = given or environment.get(PACE_VARIABLE) or "0"
    try:
        factor = float(text)
    except ValueError:
        factor = -1.0
    if not 0 <= factor <= 10:
        raise OptionError(f"--pace (or {PACE_VARIABLE}) {text}: not usable. Allowed: a number from 0 to 10.")
    return factor


def zone_names(given: tuple[str, ...], environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Zones of the option and of LOCALCLOUD_ZONES (comma-separated), lower-case, without repetition."""
    names = (*given, *environment.get(ZONES_VARIABLE, "").split(","))
    return tuple(dict.fromkeys(name.strip().rstrip(".").lower() for name in names if name.strip()))
