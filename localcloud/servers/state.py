"""What a cluster and a replica remember in their folders."""

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from localcloud.servers.account import Account
from localcloud.servers.errors import NotFound, ServerError
from localcloud.servers.specs import ClusterSpec, PoolSpec

CLUSTER_FILE = "cluster.json"
REPLICA_FILE = "replica.json"
SECRETS_FILE = "secrets.json"


@dataclass(frozen=True, kw_only=True)
class ClusterState:
    """Kept in `cluster.json`. The file is written last when a cluster is created: with it, the cluster is complete.

    replicas: folder by name, relative to the cluster's own.
    parameters: settings of the primary that the user chose.
    """

    id: str
    version: str
    max_connections: int
    public_host: str
    private_host: str
    admin_user: str
    default_database: str
    port: int
    pool_port: int
    trusted_sources: tuple[str, ...] = ()
    pools: tuple[PoolSpec, ...] = ()
    replicas: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: ClusterSpec, port: int, pool_port: int) -> "ClusterState":
        """What a new cluster remembers."""
        return cls(
            id=spec.id,
            version=spec.version,
            max_connections=spec.max_connections,
            public_host=spec.public_host,
            private_host=spec.private_host,
            admin_user=spec.admin_user,
            default_database=spec.default_database,
            port=port,
            pool_port=pool_port,
        )

    @classmethod
    def load(cls, folder: Path) -> "ClusterState":
        """Raises NotFound when there is no complete cluster, ServerError when its file is damaged."""
        values = read(folder / CLUSTER_FILE)
        try:
            pools = tuple(PoolSpec(**pool) for pool in values.pop("pools"))
            return cls(pools=pools, trusted_sources=tuple(values.pop("trusted_sources")), **values)
        except (KeyError, TypeError) as error:
            raise damaged(folder / CLUSTER_FILE, error) from error

    def save(self, folder: Path, account: Account) -> None:
        account.write(folder / CLUSTER_FILE, json.dumps(asdict(self), indent=1))


@dataclass(frozen=True, kw_only=True)
class ReplicaState:
    """Kept in `replica.json`, written last when a replica is created.

    slots: the server's own `max_connections`. It never falls: a standby must have at least as many as its primary had
        when it wrote the WAL the standby replays.
    """

    name: str
    port: int
    max_connections: int
    slots: int
    trusted_sources: tuple[str, ...]

    @classmethod
    def load(cls, folder: Path) -> "ReplicaState":
        """Raises NotFound when there is no complete replica, ServerError when its file is damaged."""
        values = read(folder / REPLICA_FILE)
        try:
            return cls(trusted_sources=tuple(values.pop("trusted_sources")), **values)
        except (KeyError, TypeError) as error:
            raise damaged(folder / REPLICA_FILE, error) from error

    def save(self, folder: Path, account: Account) -> None:
        account.write(folder / REPLICA_FILE, json.dumps(asdict(self), indent=1))


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """Passwords of the platform's own logins, kept in `secrets.json` (mode 0600)."""

    superuser: str = field(repr=False)
    replication: str = field(repr=False)
    console: str = field(repr=False)

    @classmethod
    def generate(cls) -> "Secrets":
        return cls(
            superuser=secrets.token_urlsafe(24),
            replication=secrets.token_urlsafe(24),
            console=secrets.token_urlsafe(24),
        )

    @classmethod
    def load(cls, folder: Path) -> "Secrets":
        try:
            return cls(**read(folder / SECRETS_FILE))
        except TypeError as error:
            raise damaged(folder / SECRETS_FILE, error) from error

    def save(self, folder: Path, account: Account) -> None:
        account.write(folder / SECRETS_FILE, json.dumps(asdict(self), indent=1))


def read(file: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises NotFound when there is no file, ServerError when it is damaged."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(f"There is no {file.stem} in {file.parent}: {file.name} is missing.") from None
    except ValueError as error:
        raise damaged(file, error) from error
    if not isinstance(values, dict):
        raise damaged(file, "not an object")
    return values


def damaged(file: Path, reason: object) -> ServerError:
    """What to raise about a file that does not hold what it should."""
    return ServerError(f"{file} is damaged ({reason}). Put it back from a copy, or destroy this cluster.")
