"""The system file: what a product is. Where it runs and how big it is now stands in the stack's config."""

from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Literal, Self

from pydantic import Field, model_validator

from trellis.settings.app import App, Dns, Droplet
from trellis.settings.catalogue import SELF_HOSTED_VERSIONS
from trellis.settings.cluster import Cache, Cluster
from trellis.settings.duties import ON_CALL, Check, Job
from trellis.settings.model import AppName, Email, Misfit, Model, PrivateRange, Region, Slug, unknown
from trellis.settings.recovery import Backups, Objectives


class Mode(StrEnum):
    """Who runs PostgreSQL: DigitalOcean, or the team on a Droplet."""

    MANAGED = "managed"
    SELF_HOSTED = "self-hosted"


class Network(Model):
    """The system's VPC. `ip_range` must not overlap another VPC of the account."""

    ip_range: PrivateRange


class Alerts(Model):
    """Thresholds that send a mail. Percentages of a node, except `load_15`: the load average of 15 minutes.

    tell: the role in `contacts` that gets them, and beside it `emails`.
    """

    tell: Slug = ON_CALL
    emails: tuple[Email, ...] = ()
    window: Literal["5m", "10m", "30m", "1h"] = "5m"
    cpu: float | None = Field(default=80, gt=0, le=100)
    memory: float | None = Field(default=90, gt=0, le=100)
    disk: float | None = Field(default=80, gt=0, le=100)
    load_15: float | None = Field(default=4, gt=0)


class System(Model):
    """A product: clusters, caches, apps, Droplets, DNS names, alerts, checks and jobs.

    contacts: role -> addresses that are the same for every stack; `trellis:contacts` of a stack goes before.
    """

    name: Slug
    description: str = ""
    region: Region
    modes: tuple[Mode, ...] = (Mode.MANAGED,)
    network: Network
    clusters: dict[Slug, Cluster] = Field(min_length=1)
    caches: dict[Slug, Cache] = {}
    apps: dict[AppName, App] = {}
    droplets: dict[Slug, Droplet] = {}
    dns: Dns | None = None
    backups: Backups | None = None
    objectives: Objectives | None = None
    alerts: Alerts = Alerts()
    contacts: dict[Slug, tuple[Email, ...]] = {}
    checks: dict[Slug, Check] = {}
    jobs: dict[Slug, Job] = {}

    @property
    def roles(self) -> tuple[str, ...]:
        """Everybody who is told of something: roles in `contacts`, by name."""
        checks = (check.tell for check in self.checks.values())
        jobs = (job.tell for job in self.jobs.values())
        return tuple(dict.fromkeys((*self.contacts, self.alerts.tell, *checks, *jobs)))

    @model_validator(mode="after")
    def _references(self) -> Self:
        named = [
            *((("clusters", key), cluster.name) for key, cluster in self.clusters.items()),
            *((("caches", key), cache.name) for key, cache in self.caches.items()),
        ]
        names = [name for _, name in named]
        for location, name in named:
            if names.count(name) > 1:
                raise Misfit((*location, "name"), f"{name!r} is the name of another cluster or cache too")
        pools = [f"{key}.{pool}" for key, cluster in self.clusters.items() for pool in cluster.pools]
        for name, app in self.apps.items():
            if app.pool is not None and app.pool not in pools:
                raise Misfit(("apps", name, "pool"), unknown("pool", app.pool, pools))
            if app.cache is not None and app.cache not in self.caches:
                raise Misfit(("apps", name, "cache"), unknown("cache", app.cache, self.caches))
        databases = [f"{key}.{database}" for key, cluster in self.clusters.items() for database in cluster.databases]
        for kind, duties in (("checks", self.checks), ("jobs", self.jobs)):
            for name, duty in duties.items():
                if duty.pool is not None and duty.pool not in pools:
                    raise Misfit((kind, name, "pool"), unknown("pool", duty.pool, pools))
        for name, job in self.jobs.items():
            if job.database is not None and job.database not in databases:
                raise Misfit(("jobs", name, "database"), unknown("database", job.database, databases))
        for host, record in (self.dns.records if self.dns else {}).items():
            if record.app not in self.apps:
                raise Misfit(("dns", "records", host, "app"), unknown("app", record.app, self.apps))
        return self

    @model_validator(mode="after")
    def _apps_lead_to_apps(self) -> Self:
        for name, app in self.apps.items():
            for other, variable in app.apps.items():
                if other not in self.apps:
                    raise Misfit(("apps", name, "environment", variable), unknown("app", other, self.apps))
        try:
            self.apps_in_order()
        except CycleError as error:
            # graphlib lists each before the one that needs it.
            name, *rest = reversed(error.args[1])
            raise Misfit(
                ("apps", name, "environment", self.apps[name].apps[rest[0]]),
                f"{' needs the address of '.join((name, *rest))}. Give one of them a DNS name, which is known before "
                "any app is made",
            ) from error
        return self

    def apps_in_order(self) -> tuple[str, ...]:
        """The apps, each after those whose address is known only once they are made. Raises CycleError."""
        named = {record.app for record in self.dns.records.values()} if self.dns else set()
        needed = {name: [other for other in app.apps if other not in named] for name, app in self.apps.items()}
        return tuple(TopologicalSorter(needed).static_order())

    @model_validator(mode="after")
    def _self_hosted(self) -> Self:
        if Mode.SELF_HOSTED not in self.modes:
            return self
        for key, cluster in self.clusters.items():
            if cluster.self_hosted is None:
                raise Misfit(("clusters", key), "the mode self-hosted needs the key `self_hosted` here")
            if cluster.version not in SELF_HOSTED_VERSIONS:
                raise Misfit(
                    ("clusters", key, "version"),
                    f"PostgreSQL {cluster.version} is not offered in the mode self-hosted. "
                    f"Offered: {', '.join(SELF_HOSTED_VERSIONS)}",
                )
            if "pgbouncer" in cluster.pools:
                raise Misfit(("clusters", key, "pools", "pgbouncer"), "PgBouncer keeps this name. Choose another")
        for name, app in self.apps.items():
            if app.pool is not None:
                # App Platform binds credentials of managed clusters only; a literal one would stand in the app's spec.
                raise Misfit(("apps", name, "pool"), "an app cannot use a pool in a system with the mode self-hosted")
        return self
