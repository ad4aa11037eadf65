"""What the program builds: a system at one phase in one place, with every figure worked out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trellis.settings.app import App, Droplet
from trellis.settings.budget import ConnectionBudget
from trellis.settings.catalogue import BLOCKED_PORTS, SPACES_MONTHLY_USD, Edition, Phase, Plan, monthly_usd
from trellis.settings.cluster import Backup, Cache, Maintenance, PoolMode, SelfHosted, ServerSettings
from trellis.settings.duties import Check, Job
from trellis.settings.recovery import Backups, Objectives
from trellis.settings.stack import Copy, Layout, Monitoring
from trellis.settings.system import Alerts, Mode


def physical(name: str, suffix: str) -> str:
    """What something of this name is called at DigitalOcean, where two stacks of a system must not clash."""
    return f"{name}-{suffix}" if suffix else name


def numbered(name: str, generation: int) -> str:
    """A name with a cluster's generation behind it. The first keeps the name that it had before there were moves."""
    return name if generation == 1 else f"{name}-{generation}"


def second_login(role: str) -> str:
    """What the login is called that takes turns with the role itself."""
    return f"{role}_2"


@dataclass(frozen=True, kw_only=True)
class LoginSettings:
    """The two logins of a role whose password was rotated.

    serving, resting: their names. both: whether pools let both in, while clients change over.
    round: the number of the rotation, where Trellis makes the passwords: each gives both logins another one.
    """

    serving: str
    resting: str
    both: bool = False
    round: int = 0

    @property
    def admitted(self) -> Mapping[str, bool]:
        """Each login, and whether pools let it in."""
        return {self.serving: True, self.resting: self.both}

    def made_in(self, login: str) -> int:
        """The round that gave a login its password, 0 for the one that it had before there was any.

        While pools let both in, the resting one has its old one still.
        """
        return self.round - (self.both and login == self.resting)


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """A database and the folder of its SQL. roles: placeholder -> user. seeds: the folder of test data, where asked."""

    name: str
    migrations: Path
    roles: Mapping[str, str]
    seeds: Path | None


@dataclass(frozen=True, kw_only=True)
class PoolSettings:
    """A connection pool. user: the role whose serving login it lets in. size: server connections."""

    name: str
    database: str
    user: str
    mode: PoolMode
    size: int


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """A cluster at one phase.

    key: its name in the system file, with the database behind it where each has a cluster of its own.
    name: its name in every stack. generation: 1, and one more for each move.
    beside: the one that it moves to or has come from, while both stand. fresh: whether it is the new one of the two,
    whose schema comes from the other. restored_to: the second at which it was the other, while both stand.
    plan: of a node; in the mode self-hosted the figures of the Droplet and its volume.
    self_hosted: how the team runs it, in that mode.
    monthly_usd: nodes, replicas and copies together, US dollars a month.
    logins: role -> its two logins, of those that were rotated; every other role is its own and only login.
    """

    key: str
    name: str
    edition: Edition
    version: str
    plan: Plan
    nodes: int
    replicas: int
    users: tuple[str, ...]
    databases: tuple[DatabaseSettings, ...]
    pools: tuple[PoolSettings, ...]
    budget: ConnectionBudget
    maintenance: Maintenance
    backup: Backup | None
    settings: ServerSettings
    self_hosted: SelfHosted | None
    monthly_usd: float
    generation: int = 1
    beside: "ClusterSettings | None" = None
    fresh: bool = False
    restored_to: str = ""
    logins: Mapping[str, LoginSettings] = field(default_factory=dict)

    @property
    def pools_together(self) -> Iterable[Sequence[PoolSettings]]:
        """The pools, those of one user and database together: on the server nobody tells their connections apart."""
        together: dict[tuple[str, str], list[PoolSettings]] = {}
        for pool in self.pools:
            together.setdefault((pool.user, pool.database), []).append(pool)
        return together.values()

    def serving(self, role: str) -> str:
        """The login by which clients come in as this role."""
        return self.logins[role].serving if role in self.logins else role

    @property
    def every_login(self) -> tuple[str, ...]:
        """Roles and their second logins, as the cluster has them."""
        return (*self.users, *map(second_login, self.logins))

    @property
    def made_as(self) -> str:
        """Its name among the stack's resources; `Settings.physical` gives the one at DigitalOcean."""
        return numbered(self.name, self.generation)


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """A cache at one phase. key: its name in the system file. monthly_usd: its nodes, US dollars a month."""

    key: str
    cache: Cache
    plan: Plan
    nodes: int
    monthly_usd: float


@dataclass(frozen=True, kw_only=True)
class AppSettings:
    """An app, the keys of the cluster, pool and cache it uses, if it uses them, and its DNS names in this stack."""

    name: str
    app: App
    tag: str
    cluster: str | None
    pool: str | None
    cache: str | None
    domains: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RecordSettings:
    """A DNS name that leads to an app. key: its name in the system file. host: its name in this stack."""

    key: str
    host: str
    app: str
    proxied: bool


@dataclass(frozen=True, kw_only=True)
class DnsSettings:
    """The DNS names of a stack. zone: at Cloudflare."""

    zone: str
    records: tuple[RecordSettings, ...]


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """A check, the name of its cluster in every stack, its pool and database, and the addresses that are told."""

    name: str
    check: Check
    cluster: str
    pool: str
    database: str
    tell: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class JobSettings:
    """A job, as a check. pool: None where the administrator does it."""

    name: str
    job: Job
    cluster: str
    pool: str | None
    database: str
    tell: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything the program needs to know before it registers the first resource.

    name_suffix: what ends the names at DigitalOcean; empty adds nothing.
    abandon: the mode or layout that is deployed, whose clusters another one may delete; empty for none.
    migration_endpoint: "public" or "private", the host that this machine reaches; a runner inside the VPC has both.
    copy: the region that holds a copy of every cluster, where one is asked for.
    connection_files: the folder that connection strings and CA certificates are written to, where one is asked for.
    prices: size -> US dollars a month, before the catalogue's.
    ssh_keys: ids or fingerprints of the account's keys that may log in to Droplets.
    apps: each after those whose address its environment needs.
    alerts: its emails are all that are told in this stack; None where nobody is.
    monitoring: the machine that watches the stack; None where there is none.
    """

    system: str
    production: bool
    name_suffix: str
    phase: Phase
    mode: Mode
    layout: Layout
    abandon: str
    region: str
    ip_range: str
    trusted_sources: tuple[str, ...]
    migration_endpoint: str
    protect: bool
    copy: Copy | None
    connection_files: Path | None
    ssh_keys: tuple[str, ...]
    prices: Mapping[str, float]
    clusters: tuple[ClusterSettings, ...]
    caches: tuple[CacheSettings, ...]
    apps: tuple[AppSettings, ...]
    droplets: Mapping[str, Droplet]
    dns: DnsSettings | None
    backups: Backups | None
    objectives: Objectives | None
    alerts: Alerts | None
    checks: tuple[CheckSettings, ...]
    jobs: tuple[JobSettings, ...]
    monitoring: Monitoring | None

    def physical(self, name: str) -> str:
        """What something of this name is called at DigitalOcean."""
        return physical(name, self.name_suffix)

    @property
    def standing(self) -> Iterator[ClusterSettings]:
        """Every cluster that is there: of one that moves both."""
        for cluster in self.clusters:
            yield cluster
            if cluster.beside:
                yield cluster.beside

    @property
    def monthly_usd(self) -> float:
        """Clusters, caches, Droplets, dumps and apps, US dollars a month."""
        dumps = any(cluster.self_hosted for cluster in self.standing)
        sizes = (
            *((droplet.size, 1) for droplet in self.droplets.values()),
            *([(self.monitoring.size, 1)] if self.monitoring else []),
            *((app.app.size, app.app.instances) for app in self.apps),
        )
        each = (
            *(cluster.monthly_usd for cluster in self.standing),
            *(cache.monthly_usd for cache in self.caches),
            *(monthly_usd(size, self.prices, number) or 0 for size, number in sizes),
            SPACES_MONTHLY_USD if dumps else 0,
        )
        return round(sum(each), 2)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for whoever runs the program: what was asked for and could not be given in full."""
        notes = [note for cluster in self.clusters for note in cluster.budget.notes]
        port = self.monitoring.smtp.rpartition(":")[2] if self.monitoring else ""
        if port in BLOCKED_PORTS:
            notes.append(
                f"trellis:monitoring.smtp: DigitalOcean lets no Droplet of most accounts out to port {port}, so mails "
                "may never leave. Take another port of the mail server, often 2525, or a webhook beside it."
            )
        return tuple(notes)
