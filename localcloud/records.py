"""What the local cloud remembers. Every record is frozen: a change is a new record put in the old one's place."""

import time
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict


def now() -> str:
    """The current time as the APIs write it: RFC 3339, UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Record(BaseModel):
    """Base of everything kept in the state file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Resource(Record):
    """A record with an identifier, by which it is known among all resources of the account."""

    KIND: ClassVar[str]
    """The kind in its URN."""

    id: str

    @property
    def urn(self) -> str:
        return f"do:{self.KIND}:{self.id}"


class Vpc(Resource):
    """A private network. `default` marks the one a region falls back to."""

    KIND = "vpc"
    name: str
    region: str
    ip_range: str
    description: str = ""
    default: bool = False
    created_at: str


class User(Record):
    """A database role. The password is kept because the API hands it out again on every read."""

    name: str
    password: str
    role: Literal["primary", "normal"] = "normal"
    allow_replication: bool = False


class Pool(Record):
    """One PgBouncer entry. `user` is None for a pool that takes whichever user connects."""

    name: str
    db: str
    mode: Literal["transaction", "session", "statement"]
    size: int
    user: str | None = None


class Rule(Record):
    """A trusted source."""

    uuid: str
    type: Literal["ip_addr", "droplet", "k8s", "tag", "app"]
    value: str
    description: str = ""
    created_at: str


class MaintenanceWindow(Record):
    """When updates may be installed: a lower-case week day and a UTC time such as "02:00:00"."""

    day: str
    hour: str
    pending: bool = False


class StorageAutoscale(Record):
    """Growth of the disk on demand. Stored, never acted on."""

    enabled: bool
    threshold_percent: int | None = None
    increment_gib: int | None = None


Status = Literal["creating", "online", "resizing", "migrating", "forking", "restarting"]
"""As the API has it; "restarting", while a server that ended is started again, is our own."""

Engine = Literal["pg", "advanced_pg", "valkey"]


class Account(Record):
    """What differs from one account to the next, set by `POST /_local/account`.

    today: the day that the rules of editions go by (RFC 3339); empty for one before they change.
    since: the day on which the first PostgreSQL cluster was made; empty when there was none.
    replication, subscriptions: what `doadmin` may do; DigitalOcean does not say.
    unavailable: size -> regions that do not have it.
    """

    today: str = ""
    since: str = ""
    replication: bool = True
    subscriptions: bool = False
    unavailable: dict[str, tuple[str, ...]] = {}


class Promotion(Record):
    """What a new cluster was: a replica of another one, by its name."""

    cluster_id: str
    name: str


class Restore(Record):
    """What a new cluster is to be filled from: another cluster, as it was at the moment `at` (RFC 3339)."""

    cluster_id: str
    at: str


class Database(Resource):
    """What a cluster and a replica have in common: servers of a plan, in a network, with trusted sources."""

    KIND = "dbaas"

    name: str
    size: str
    region: str
    storage_size_mib: int
    private_network_uuid: str
    status: Status
    created_at: str
    port: int
    """Of the servers, from the first answer on."""
    tags: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    failure: str = ""
    """Why the servers could not be brought to the wanted state; empty when all is well."""
    deleting: bool = False
    """Deletion was asked for and is not finished; the API no longer shows it."""


class Cluster(Database):
    """A database cluster with everything that belongs to it."""

    engine: Engine = "pg"
    version: str
    num_nodes: int
    project_id: str
    pool_port: int
    metrics_port: int = 0
    """0 for one of a version that had no metrics."""
    standby_port: int = 0
    limited: bool = False
    """Made under Standard's limits: 4 GiB at most, no standby, no read-only node."""
    users: tuple[User, ...] = ()
    databases: tuple[str, ...] = ()
    pools: tuple[Pool, ...] = ()
    config: dict[str, Any] = {}
    """What was set by PATCH; for Valkey, less the eviction policy."""
    eviction_policy: str = "noeviction"
    """What a full Valkey does, in the API's words."""
    maintenance: MaintenanceWindow
    autoscale: StorageAutoscale | None = None
    restore: Restore | None = None
    """Until the cluster is filled."""
    promotion: Promotion | None = None
    """The same."""

    @property
    def postgresql(self) -> bool:
        return self.engine != "valkey"

    @property
    def admin(self) -> User:
        """The primary user: `doadmin` of PostgreSQL, `default` of Valkey."""
        return next(user for user in self.users if user.role == "primary")

    def user(self, name: str) -> User | None:
        return next((user for user in self.users if user.name == name), None)

    def pool(self, name: str) -> Pool | None:
        return next((pool for pool in self.pools if pool.name == name), None)


class Replica(Database):
    """A read-only copy of a cluster, with a plan, a network and a port of its own."""

    cluster_id: str


class Deployment(Record):
    """One roll-out of an app. `spec` holds sealed secrets; `failure` is empty when it goes live.

    environments: component to the variables it got, references resolved, every value sealed. ends: when it is live
    or has failed, in seconds of the clock; until then it is under way.
    """

    id: str
    spec: dict[str, Any]
    cause: str
    created_at: str
    updated_at: str
    environments: dict[str, dict[str, str]] = {}
    failure: str = ""
    ends: float = 0.0

    @property
    def ended(self) -> bool:
        return time.time() >= self.ends


class AppAlert(Record):
    """An alert of an app spec with the destinations that were set for it."""

    id: str
    spec: dict[str, Any]
    component_name: str = ""
    emails: tuple[str, ...] = ()
    slack_webhooks: tuple[dict[str, Any], ...] = ()


class App(Resource):
    """An App Platform app. It does not run: its spec is checked, kept and resolved. Newest deployment first."""

    KIND = "app"

    spec: dict[str, Any]
    ingress_host: str
    project_id: str
    created_at: str
    updated_at: str
    deployments: tuple[Deployment, ...] = ()
    alerts: tuple[AppAlert, ...] = ()
    egress_ips: tuple[str, ...] = ()
    """Of an app that asked for dedicated addresses."""

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def active(self) -> Deployment | None:
        return next((item for item in self.deployments if item.ended and not item.failure), None)


class MetricsLogin(Record):
    """Who may read the metrics of the account's clusters."""

    username: str
    sealed_password: str


class LogSink(Record):
    """Where what a cluster's servers log is sent. config: as it was sent, secrets included."""

    sink_id: str
    cluster_id: str
    sink_name: str
    sink_type: Literal["rsyslog"] = "rsyslog"
    config: dict[str, Any]


class SpacesGrant(Record):
    """What a Spaces key may do: in one bucket, or, with "", in all."""

    bucket: str
    permission: str


class SpacesKey(Record):
    """A key pair for Spaces. The secret is shown once, when the key is made, and kept sealed."""

    access_key: str
    sealed_secret: str
    name: str
    grants: tuple[SpacesGrant, ...] = ()
    created_at: str


class AlertPolicy(Record):
    """A monitoring alert."""

    uuid: str
    type: str
    description: str
    compare: str
    value: float
    window: str
    entities: tuple[str, ...]
    tags: tuple[str, ...]
    alerts: dict[str, Any]
    enabled: bool


class UptimeCheck(Record):
    """A check of a URL from outside."""

    id: str
    name: str
    type: str
    target: str
    regions: tuple[str, ...]
    enabled: bool


class UptimeAlert(Record):
    """An alert of an uptime check."""

    id: str
    check_id: str
    name: str
    type: str
    threshold: int | None = None
    comparison: str | None = None
    period: str | None = None
    notifications: dict[str, Any]


class Project(Record):
    """A named group of resources, by URN."""

    id: str
    name: str
    purpose: str
    description: str
    environment: str
    is_default: bool
    created_at: str
    updated_at: str
    resources: dict[str, str] = {}
    """URN to the time it was assigned."""


class Tag(Record):
    """A tag that was made on its own; tags on resources live on the resource."""

    name: str


class Zone(Record):
    """A Cloudflare zone."""

    id: str
    name: str
    created_on: str


class DnsRecord(Record):
    """A Cloudflare DNS record. `name` is the full name, zone included."""

    id: str
    zone_id: str
    name: str
    type: str
    content: str
    ttl: int
    proxied: bool
    priority: int | None = None
    comment: str | None = None
    tags: tuple[str, ...] = ()
    settings: dict[str, Any] = {}
    data: dict[str, Any] | None = None
    created_on: str
    modified_on: str
