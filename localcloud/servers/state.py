"""What a cluster and a replica remember in their folders."""

import json
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from localcloud import files
from localcloud.servers.account import Account
from localcloud.servers.errors import NotFound, ServerError
from localcloud.servers.specs import ClusterSpec, PoolSpec

Remembered = TypeVar("Remembered")

CLUSTER_FILE = "cluster.json"
REPLICA_FILE = "replica.json"
SECRETS_FILE = "secrets.json"


@dataclass(frozen=True, kw_only=True)
class ClusterState:
    """Kept in `cluster.json`. The file is written last when a cluster is created: with it, the cluster is complete.

    replicas: folder by name, relative to the cluster's own.
    parameters: settings of the primary that the user chose.
    rights: what the admin user was given, of `logins.RIGHTS`.
    promoting: the standby whose data is about to become the primary's.
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
    promoting: str = ""
    rights: tuple[str, ...] = ()

    @classmethod
    def of(cls, spec: ClusterSpec, port: int, pool_port: int) -> "ClusterState":
        """What a new cluster remembers."""
        asked = {item.name: getattr(spec, item.name) for item in fields(cls) if hasattr(spec, item.name)}
        return cls(**asked, port=port, pool_port=pool_port)


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


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """Passwords of the platform's own logins, kept in `secrets.json` (mode 0600)."""

    superuser: str = field(repr=False)
    replication: str = field(repr=False)
    console: str = field(repr=False)

    @classmethod
    def generate(cls) -> "Secrets":
        return cls(**{item.name: secrets.token_urlsafe(24) for item in fields(cls)})


def load(kind: type[Remembered], file: Path) -> Remembered:
    """What `save` wrote. Raises NotFound when there is no file, ServerError when it is damaged."""
    try:
        return TypeAdapter(kind).validate_python(files.read(file, files.record))
    except FileNotFoundError:
        raise NotFound(f"There is no {file.stem} in {file.parent}: {file.name} is missing.") from None
    except ValueError as problem:
        reason = files.reason(problem)
        raise ServerError(f"{file} is damaged ({reason}). Put it back from a copy, or delete what it is of.") from None


def save(remembered: Any, file: Path, account: Account) -> None:
    """Write a record, a dataclass, and keep the one before it."""
    account.write(file, json.dumps(asdict(remembered), indent=1), copy=True)
