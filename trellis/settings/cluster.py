"""Clusters of a system file: databases, users and pools, what each phase buys, and the caches beside them."""

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from trellis.settings.catalogue import (
    DROPLETS,
    MAX_NODES,
    PHASE_DROPLETS,
    PHASE_PLANS,
    PLANS,
    POSTGRESQL_VERSIONS,
    VALKEY_VERSIONS,
    Edition,
    Phase,
)
from trellis.settings.model import Hour, Identifier, Misfit, Model, PlanSlug, PoolName, Slug, one_of, unknown


class PoolMode(StrEnum):
    """How long a client keeps a server connection: one transaction, one session or one statement."""

    TRANSACTION = "transaction"
    SESSION = "session"
    STATEMENT = "statement"


class Nodes(Model):
    """What one phase buys: nodes of a plan."""

    plan: PlanSlug
    nodes: int = Field(default=1, ge=1, le=MAX_NODES)

    @model_validator(mode="after")
    def _standby(self) -> Self:
        if self.nodes > 1 and not PLANS[self.plan].standby_allowed:
            raise ValueError(
                f"{self.nodes} nodes of {self.plan}: a 1 GiB cluster cannot have a standby. Ask for 1 node"
            )
        return self


class Size(Nodes):
    """What one phase buys for one cluster: nodes of a plan, and read-only replicas beside them.

    edition: DigitalOcean's kind of cluster; by default the stack's, else Standard.
    """

    replicas: int = Field(default=0, ge=0, le=5)
    edition: Edition | None = None


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
    hour: Hour


class Backup(Model):
    """When DigitalOcean takes the daily backup. `hour` is UTC, as "02:00"; left out, it is DigitalOcean's choice."""

    hour: Hour


class ServerSettings(Model):
    """PostgreSQL's own settings, by its names. What is left out stays as it is, DigitalOcean's choice at first.

    log_min_duration_statement: milliseconds; a statement that takes longer is logged. 0 logs every one, -1 none.
    idle_in_transaction_session_timeout: milliseconds after which a session is ended that leaves a transaction open,
    with the locks it has; 0 for never.
    """

    log_min_duration_statement: int | None = Field(default=None, ge=-1, le=86_400_000)
    idle_in_transaction_session_timeout: int | None = Field(default=None, ge=0, le=604_800_000)


UNSET = ServerSettings()

# Without a window of its own a cluster is updated at any hour, also when it is in use.
QUIET = Maintenance(day="sunday", hour="04:00")


class Database(Model):
    """One database of a cluster.

    migrations: the folder of its SQL under migrations/; by default <system>/<database>.
    roles: placeholder in that SQL -> user of the cluster. `${app_role}` becomes the user's name.
    """

    migrations: str | None = None
    roles: dict[Identifier, Identifier] = {}


class Pool(Model):
    """One PgBouncer pool. Without a size it gets an even share of the connections that are left.

    fit: a size that the plan has no room for becomes what is left, and the run says so, instead of an error.
    """

    database: str
    user: Identifier
    mode: PoolMode = PoolMode.TRANSACTION
    size: int | None = Field(default=None, ge=1)
    fit: bool = False


class Machine(Model):
    """What one phase buys of a self-hosted cluster: a Droplet and the volume that holds its data."""

    droplet: Annotated[str, one_of("Droplet size", frozenset(DROPLETS))]
    volume_gib: int = Field(ge=1, le=16 * 1024)


class Dump(Model):
    """When a self-hosted cluster is dumped to Spaces, UTC, and how many days a dump is kept."""

    hour: Hour = "02:00"
    keep_days: int = Field(default=30, ge=1)


class SelfHosted(Model):
    """How the team runs the cluster itself: a Droplet with PostgreSQL, PgBouncer, TLS and a nightly dump."""

    image: Literal["debian-12-x64"] = "debian-12-x64"
    phases: dict[Phase, Machine] = {}
    dump: Dump = Dump()

    def machine(self, phase: Phase) -> Machine:
        """What `phase` buys here: the file's own word, else a Droplet with the memory and disk of the phase's plan."""
        return self.phases.get(phase) or Machine(
            droplet=PHASE_DROPLETS[phase], volume_gib=PLANS[PHASE_PLANS[phase]].storage_gib
        )


_GROWS = "A disk can grow and never shrink"


class Cluster(Model):
    """One cluster: its databases, users and pools, and what each phase buys.

    recovery_days: how far back it must be possible to restore to any second; checked against what the mode gives.
    """

    name: Slug
    engine: Literal["pg"] = "pg"
    version: Annotated[str, one_of("PostgreSQL version", POSTGRESQL_VERSIONS)]
    users: tuple[Identifier, ...]
    databases: dict[Identifier, Database] = Field(min_length=1)
    pools: dict[PoolName, Pool] = {}
    headroom: Headroom = Headroom()
    maintenance: Maintenance = QUIET
    backup: Backup | None = None
    settings: ServerSettings = UNSET
    recovery_days: int | None = Field(default=None, ge=1)
    phases: dict[Phase, Size] = {}
    self_hosted: SelfHosted | None = None

    def size(self, phase: Phase) -> Size:
        """What `phase` buys here: the cluster's own word, else the catalogue's plan with one node."""
        return self.phases.get(phase) or Size(plan=PHASE_PLANS[phase])

    @model_validator(mode="after")
    def _offered(self) -> Self:
        for phase, size in self.phases.items():
            if size.edition and self.version not in size.edition.versions:
                raise Misfit(
                    ("phases", phase, "edition"),
                    f"{size.edition} has no PostgreSQL {self.version}. It has {', '.join(size.edition.versions)}",
                )
        return self

    @model_validator(mode="after")
    def _grows(self) -> Self:
        for before, after in pairwise(Phase):
            old, new = PLANS[self.size(before).plan], PLANS[self.size(after).plan]
            if new.memory_gib < old.memory_gib or new.storage_gib < old.storage_gib:
                raise Misfit(("phases", after, "plan"), f"{new.slug} is smaller than {old.slug} of {before}. {_GROWS}")
            if self.self_hosted:
                small, large = (self.self_hosted.machine(phase).volume_gib for phase in (before, after))
                if large < small:
                    raise Misfit(
                        ("self_hosted", "phases", after, "volume_gib"),
                        f"{large} GiB is smaller than the {small} GiB of {before}. {_GROWS}",
                    )
        return self

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
                    raise Misfit(("databases", name, "roles", placeholder), unknown("user", user, self.users))
        for name, pool in self.pools.items():
            if pool.database not in self.databases:
                raise Misfit(("pools", name, "database"), unknown("database", pool.database, self.databases))
            if pool.user not in self.users:
                raise Misfit(("pools", name, "user"), unknown("user", pool.user, self.users))
            if pool.fit and pool.size is None:
                raise Misfit(("pools", name, "fit"), "only a pool with a size can be fitted")
        return self


class EvictionPolicy(StrEnum):
    """What a full cache forgets: nothing, the least recently or least often used, any, or the soonest to expire."""

    NOEVICTION = "noeviction"
    ALLKEYS_LRU = "allkeys_lru"
    ALLKEYS_RANDOM = "allkeys_random"
    VOLATILE_LRU = "volatile_lru"
    VOLATILE_RANDOM = "volatile_random"
    VOLATILE_TTL = "volatile_ttl"


class Cache(Model):
    """A Valkey cluster, the successor of DigitalOcean's Redis.

    persistence: "rdb" writes a snapshot every ten minutes, from which a restarted cache goes on; "off" starts empty.
    optional: built only in stacks that name it in `trellis:caches`.
    """

    name: Slug
    version: Annotated[str, one_of("Valkey version", VALKEY_VERSIONS)] = "8"
    eviction_policy: EvictionPolicy = EvictionPolicy.NOEVICTION
    persistence: Literal["rdb", "off"] = "rdb"
    maintenance: Maintenance = QUIET
    optional: bool = False
    phases: dict[Phase, Nodes] = {}

    def size(self, phase: Phase) -> Nodes:
        """What `phase` buys here: the cache's own word, else one node of the smallest plan."""
        return self.phases.get(phase) or Nodes(plan=PHASE_PLANS[Phase.LAUNCH])
