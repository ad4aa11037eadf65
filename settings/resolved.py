"""What the program builds: a system at one phase in one place, with every figure worked out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from settings.budget import ConnectionBudget
from settings.catalogue import Phase, Plan
from settings.system import Alerts, App, Dns, Maintenance, PoolMode


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """A database and the folder of its SQL. roles: placeholder -> user."""

    name: str
    migrations: Path
    roles: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class PoolSettings:
    """A connection pool. size: server connections."""

    name: str
    database: str
    user: str
    mode: PoolMode
    size: int


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """A cluster at one phase.

    key: its name in the system file; name: its name at DigitalOcean.
    monthly_usd: nodes and replicas together, US dollars a month.
    """

    key: str
    name: str
    engine: str
    version: str
    plan: Plan
    nodes: int
    replicas: int
    users: tuple[str, ...]
    databases: tuple[DatabaseSettings, ...]
    pools: tuple[PoolSettings, ...]
    budget: ConnectionBudget
    maintenance: Maintenance | None
    monthly_usd: float


@dataclass(frozen=True, kw_only=True)
class AppSettings:
    """An app and the key of the cluster and pool it uses, if it uses one."""

    name: str
    app: App
    tag: str
    cluster: str | None
    pool: str | None
    domains: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything the program needs to know before it registers the first resource.

    migration_endpoint: "public" or "private", the host that this machine reaches; a runner inside the VPC has both.
    """

    system: str
    phase: Phase
    region: str
    ip_range: str
    trusted_sources: tuple[str, ...]
    migration_endpoint: str
    protect: bool
    clusters: tuple[ClusterSettings, ...]
    apps: tuple[AppSettings, ...]
    dns: Dns | None
    alerts: Alerts

    @property
    def monthly_usd(self) -> float:
        """The databases' price, US dollars a month. Apps are billed by their own size and are not in it."""
        return sum(cluster.monthly_usd for cluster in self.clusters)
