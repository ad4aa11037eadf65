"""The system file: what a product is. Where it runs and how big it is now stands in the stack's config."""

import re
from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from settings.catalogue import MAX_NODES, PHASE_PLANS, PLANS, POSTGRESQL_VERSIONS, REGIONS, Phase


class Model(BaseModel):
    """Frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Misfit(ValueError):
    """A value that does not fit another one of the same file. `location` leads to it from the model that checked."""

    def __init__(self, location: tuple[str | int, ...], text: str) -> None:
        super().__init__(text)
        self.location = location


class Mode(StrEnum):
    """Who runs PostgreSQL: DigitalOcean, or the team on a Droplet."""

    MANAGED = "managed"
    SELF_HOSTED = "self-hosted"


class PoolMode(StrEnum):
    """How long a client keeps a server connection: one transaction, one session or one statement."""

    TRANSACTION = "transaction"
    SESSION = "session"
    STATEMENT = "statement"


def _one_of(what: str, allowed: frozenset[str] | tuple[str, ...]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"{value!r} is no {what}. Allowed: {', '.join(sorted(allowed))}")
        return value

    return AfterValidator(check)


def _private_range(value: str) -> str:
    try:
        network = IPv4Network(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is no IPv4 range such as 10.0.0.0/16: {error}") from error
    if not any(network.subnet_of(IPv4Network(outer)) for outer in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")):
        raise ValueError(f"{value} is not private. Allowed: inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    if not 16 <= network.prefixlen <= 28:
        raise ValueError(f"{value} is a /{network.prefixlen}. A VPC is a /16 to a /28")
    return value


Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,61}[a-z0-9]$")]
AppName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}[a-z0-9]$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]
Region = Annotated[str, _one_of("region", REGIONS)]
PlanSlug = Annotated[str, _one_of("plan", frozenset(PLANS))]
PrivateRange = Annotated[str, AfterValidator(_private_range)]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Hostname = Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]*$")]


class Network(Model):
    """The system's VPC. `ip_range` must not overlap another VPC of the account."""

    ip_range: PrivateRange


class Size(Model):
    """What one phase buys for one cluster: nodes of a plan, and read-only replicas beside them."""

    plan: PlanSlug
    nodes: int = Field(default=1, ge=1, le=MAX_NODES)
    replicas: int = Field(default=0, ge=0, le=5)

    @model_validator(mode="after")
    def _standby(self) -> Self:
        if self.nodes > 1 and not PLANS[self.plan].standby_allowed:
            raise ValueError(
                f"{self.nodes} nodes of {self.plan}: a 1 GiB cluster cannot have a standby. Ask for 1 node"
            )
        return self


class Headroom(Model):
    """Connections that no pool takes."""

    migrations: int = Field(default=2, ge=1)
    monitoring: int = Field(default=3, ge=0)

    @property
    def total(self) -> int:
        """Both together."""
        return self.migrations + self.monitoring


class Maintenance(Model):
    """When DigitalOcean may update the cluster. `hour` is UTC, as "04:00"."""

    day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    hour: Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Database(Model):
    """One database of a cluster.

    migrations: the folder of its SQL under migrations/; by default <system>/<database>.
    roles: placeholder in that SQL -> user of the cluster. `${app_role}` becomes the user's name.
    """

    migrations: str | None = None
    roles: dict[Identifier, Identifier] = {}


class Pool(Model):
    """One PgBouncer pool. Without a size it gets an even share of the connections that are left."""

    database: str
    user: Identifier
    mode: PoolMode = PoolMode.TRANSACTION
    size: int | None = Field(default=None, ge=1)


class Cluster(Model):
    """One managed cluster: its databases, users and pools, and what each phase buys."""

    name: Slug
    engine: Literal["pg"] = "pg"
    version: Annotated[str, _one_of("PostgreSQL version", POSTGRESQL_VERSIONS)]
    users: tuple[Identifier, ...]
    databases: dict[Identifier, Database] = Field(min_length=1)
    pools: dict[Slug | Identifier, Pool] = {}
    headroom: Headroom = Headroom()
    maintenance: Maintenance | None = None
    phases: dict[Phase, Size] = {}

    def size(self, phase: Phase) -> Size:
        """What `phase` buys here: the cluster's own word, else the catalogue's plan with one node."""
        return self.phases.get(phase) or Size(plan=PHASE_PLANS[phase])

    @model_validator(mode="after")
    def _names(self) -> Self:
        for index, user in enumerate(self.users):
            if user in self.users[:index]:
                raise Misfit(("users", index), f"{user!r} stands twice")
            if user in ("doadmin", "postgres"):
                raise Misfit(("users", index), f"{user!r} is the administrator's name. Choose another")
        for name, database in self.databases.items():
            for placeholder, user in database.roles.items():
                if user not in self.users:
                    raise Misfit(("databases", name, "roles", placeholder), _unknown("user", user, self.users))
        for name, pool in self.pools.items():
            if pool.database not in self.databases:
                raise Misfit(("pools", name, "database"), _unknown("database", pool.database, self.databases))
            if pool.user not in self.users:
                raise Misfit(("pools", name, "user"), _unknown("user", pool.user, self.users))
        return self


class Image(Model):
    """The container image of an app. `registry` is needed for Docker Hub and GHCR, and empty for DigitalOcean's own."""

    registry_type: Literal["DOCR", "DOCKER_HUB", "GHCR"] = "DOCR"
    registry: str | None = None
    repository: str
    tag: str = "latest"


REFERENCE = re.compile(r"\$\{([^}]*)\}")
# What `${…}` may name in an app's environment. The replica's are empty in a phase without one.
REFERENCES = (
    *(f"pool.{field}" for field in ("url", "host", "port", "name", "user", "password", "ca")),
    *(f"replica.{field}" for field in ("url", "host", "port")),
)


class App(Model):
    """One App Platform app with one service.

    pool: "<cluster>.<pool>", the pool that `${pool.…}` in its environment stands for; `${replica.…}` is the same
        database on the cluster's first replica.
    environment: variables of the service. `${pool.url}`, `${pool.ca}` and their like are filled in.
    """

    image: Image
    port: int = Field(default=8080, ge=1, le=65535)
    health_check: Annotated[str, StringConstraints(pattern=r"^/")] = "/"
    size: str = "apps-s-1vcpu-0.5gb"
    instances: int = Field(default=1, ge=1)
    pool: str | None = None
    environment: dict[VariableName, str] = {}

    @model_validator(mode="after")
    def _references(self) -> Self:
        for name, value in self.environment.items():
            for reference in REFERENCE.findall(value):
                if reference not in REFERENCES:
                    raise Misfit(("environment", name), _unknown("reference", reference, REFERENCES))
                if self.pool is None:
                    raise Misfit(("environment", name), f"${{{reference}}} needs the key `pool` in this app")
        return self


class Record(Model):
    """A DNS name that leads to an app."""

    app: AppName
    proxied: bool = True


class Dns(Model):
    """DNS names in a zone at Cloudflare."""

    provider: Literal["cloudflare"] = "cloudflare"
    zone: Hostname
    records: dict[Hostname, Record]

    @model_validator(mode="after")
    def _in_zone(self) -> Self:
        for name in self.records:
            if name != self.zone and not name.endswith("." + self.zone):
                raise Misfit(("records", name), f"not in the zone {self.zone}")
        return self


class Alerts(Model):
    """Thresholds that send a mail. Percentages of a node, except `load_15`: the load average of 15 minutes."""

    emails: tuple[Email, ...] = Field(min_length=1)
    window: Literal["5m", "10m", "30m", "1h"] = "5m"
    cpu: float | None = Field(default=80, gt=0, le=100)
    memory: float | None = Field(default=90, gt=0, le=100)
    disk: float | None = Field(default=80, gt=0, le=100)
    load_15: float | None = Field(default=4, gt=0)


class System(Model):
    """A product: clusters, apps, DNS names and alerts."""

    name: Slug
    description: str = ""
    region: Region
    modes: tuple[Mode, ...] = (Mode.MANAGED,)
    network: Network
    clusters: dict[Slug, Cluster] = Field(min_length=1)
    apps: dict[AppName, App] = {}
    dns: Dns | None = None
    alerts: Alerts

    @model_validator(mode="after")
    def _references(self) -> Self:
        names = [cluster.name for cluster in self.clusters.values()]
        for key, cluster in self.clusters.items():
            if names.count(cluster.name) > 1:
                raise Misfit(("clusters", key, "name"), f"{cluster.name!r} is the name of another cluster too")
        pools = [f"{key}.{pool}" for key, cluster in self.clusters.items() for pool in cluster.pools]
        for name, app in self.apps.items():
            if app.pool is not None and app.pool not in pools:
                raise Misfit(("apps", name, "pool"), _unknown("pool", app.pool, pools))
        for host, record in (self.dns.records if self.dns else {}).items():
            if record.app not in self.apps:
                raise Misfit(("dns", "records", host, "app"), _unknown("app", record.app, self.apps))
        return self


def _unknown(kind: str, value: str, known: Iterable[str]) -> str:
    return f"nobody defines the {kind} {value!r}. Known: {', '.join(known) or 'none'}"
