"""Clients of a cluster under test, as strict as a careful user's: TLS with the host name checked."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from localcloud.servers import CertificateAuthority, Cluster, ClusterSpec, Replica, Tools

ADMIN_PASSWORD = 'admin\'s "first" password'

Session = psycopg.Connection[tuple[Any, ...]]


def spec(**changes: Any) -> ClusterSpec:
    values: dict[str, Any] = {
        "id": "9cc10173-e9ea-4176-9dbc-a4cee4c4ff30",
        "version": "17",
        "max_connections": 25,
        "admin_password": ADMIN_PASSWORD,
    }
    return ClusterSpec(**{**values, **changes})


@dataclass(frozen=True)
class Place:
    """Where clusters of a test live."""

    folder: Path
    tools: Tools
    authority: CertificateAuthority

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.crt"

    def create(self, name: str = "cluster", **changes: Any) -> Cluster:
        return Cluster.create(self.folder / name, spec(**changes), self.tools, self.authority)

    def load(self, name: str = "cluster") -> Cluster:
        return Cluster.load(self.folder / name, self.tools, self.authority)

    def connect(self, node: Cluster | Replica, **options: Any) -> Session:
        """A direct session, the admin user's in defaultdb unless `options` say otherwise."""
        return self._connect(node.state.port, options)

    def connect_pool(self, cluster: Cluster, pool: str, **options: Any) -> Session:
        """A session through the pooler; transaction pools cannot keep prepared statements."""
        return self._connect(cluster.state.pool_port, {"dbname": pool, "prepare_threshold": None, **options})

    def _connect(self, port: int, options: dict[str, Any]) -> Session:
        defaults: dict[str, Any] = {
            "host": "127.0.0.1",
            "user": "doadmin",
            "password": ADMIN_PASSWORD,
            "dbname": "defaultdb",
            "sslmode": "verify-full",
            "sslrootcert": str(self.ca_file),
            "connect_timeout": 60,
            "autocommit": True,
        }
        return psycopg.connect(port=port, **{**defaults, **options})


def eventually(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was never met"
        time.sleep(0.05)


def value(session: Session, query: str) -> Any:
    row = session.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]
