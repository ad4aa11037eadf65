"""Clusters that last: kept, redundant, supported, maintained when it suits."""

from collections.abc import Iterator
from datetime import date, timedelta

from pulumi_policy import Severity

from trellis.settings.catalogue import END_OF_LIFE, POSTGRESQL_VERSIONS, Phase

from .fields import UNKNOWN
from .kinds import CACHES, CLUSTER, DATA, DROPLET, POSTGRESQL, REPLICA, VPC
from .resources import SERVERS, Resource, Stack
from .rules import GROWN, Config, Finding, ResourceRule, Rule, StackRule

_DOCS = "https://docs.digitalocean.com/products/databases/postgresql"
_PULUMI = "https://www.pulumi.com/docs/iac/concepts/resources/options"
_VERSIONING = "https://www.postgresql.org/support/versioning/"

DAYS_PER_MONTH = 30.44
_KEPT = (*DATA, VPC)


def _today() -> date:
    return date.today()


def _protected(stack: Stack, _config: Config) -> Iterator[Finding]:
    # A database without a volume lies on its Droplet.
    servers = [one for one in stack.of(DROPLET) if not one.asked.has("volumeIds") and one.starts(SERVERS)]
    for resource in (*stack.of(*_KEPT), *servers):
        if not resource.protected and resource.engine not in CACHES:
            yield Finding(
                message=f"{resource.called} is not protected: an edit that replaces it deletes its data.",
                urn=resource.urn,
            )


def _not_replaced(stack: Stack, _config: Config) -> Iterator[Finding]:
    for resource in stack.of(*_KEPT):
        if resource.deleted_before_replaced:
            yield Finding(
                message=f"{resource.called} has deleteBeforeReplace: its data would be gone before the new one stands.",
                urn=resource.urn,
            )


def _redundant(stack: Stack, _config: Config) -> Iterator[Finding]:
    for cluster in stack.of(CLUSTER):
        if cluster.engine in CACHES:
            continue
        nodes = cluster.fields.get("nodeCount")
        if nodes is UNKNOWN or (nodes or 1) > 1:
            continue
        replicas = stack.of_cluster(cluster, REPLICA)
        if not replicas:
            has = "one node and no replica: it is away until DigitalOcean has built a new one"
        elif not any(_can_take_over(replica, cluster) for replica in replicas):
            has = "one node, and no replica that could take its place: one of its region"
        else:
            continue
        yield Finding(message=f"{cluster.called} has {has}.", urn=cluster.urn)


def _can_take_over(replica: Resource, cluster: Resource) -> bool:
    region, home = replica.fields.peek("region"), cluster.fields.peek("region")
    return region in (None, UNKNOWN, home) or home is UNKNOWN


def _with_its_network(stack: Stack, _config: Config) -> Iterator[Finding]:
    for resource in stack.of(CLUSTER, REPLICA):
        for network in stack.of(VPC):
            here, there = resource.fields.peek("region"), network.fields.peek("region")
            known = isinstance(here, str) and isinstance(there, str)
            if known and here != there and resource.uses("privateNetworkUuid", network):
                yield Finding(
                    message=f"{resource.called} is in {here} and its network {network.called} in {there}.",
                    urn=resource.urn,
                )


def _supported(resource: Resource, _config: Config) -> Iterator[str]:
    version = _version(resource)
    if version is None:
        return
    if version not in POSTGRESQL_VERSIONS:
        yield f"{resource.called} asks for PostgreSQL {version}; DigitalOcean has {', '.join(POSTGRESQL_VERSIONS)}."
    elif version in END_OF_LIFE and END_OF_LIFE[version] <= _today():
        yield f"{resource.called} asks for PostgreSQL {version}, which has had no fixes since {END_OF_LIFE[version]}."


def _ending(resource: Resource, config: Config) -> Iterator[str]:
    end = END_OF_LIFE.get(_version(resource) or "")
    soon = _today() + timedelta(days=round(float(config["months"]) * DAYS_PER_MONTH))
    if end and _today() < end <= soon:
        yield f"{resource.called}: PostgreSQL {_version(resource)} gets its last fixes on {end}."


def _version(resource: Resource) -> str | None:
    if resource.fields.get("engine") is UNKNOWN or resource.engine not in POSTGRESQL:
        return None
    version = resource.fields.get("version")
    return str(version) if version else None


def _window(resource: Resource, _config: Config) -> Iterator[str]:
    if not resource.fields.has("maintenanceWindows"):
        yield f"{resource.called} has no maintenance window: DigitalOcean picks one, perhaps at your busiest hour."


RULES: tuple[Rule, ...] = (
    StackRule(
        name="data-protected",
        protects="One edit of a region or a name deletes a cluster, a database or the network of both.",
        fix="Set the resource option protect.",
        source=f"{_PULUMI}/protect/",
        severity=Severity.CRITICAL,
        check=_protected,
        phases=GROWN,
        spares_development=True,
    ),
    StackRule(
        name="data-not-replaced",
        protects="A replacement that deletes first leaves nothing to copy the data from.",
        fix="Remove deleteBeforeReplace; change in place, or restore a backup into a new cluster.",
        source=f"{_PULUMI}/deletebeforereplace/",
        severity=Severity.CRITICAL,
        check=_not_replaced,
        phases=GROWN,
        spares_development=True,
    ),
    StackRule(
        name="standby-or-replica",
        protects="A single node takes the product down with it; with a replica, until a person promotes it.",
        fix="Set nodeCount to 2, or add a DatabaseReplica in the cluster's region.",
        source=f"{_DOCS}/how-to/add-standby-nodes/",
        severity=Severity.HIGH,
        check=_redundant,
        phases=frozenset({Phase.SCALE}),
    ),
    StackRule(
        name="region-of-network",
        protects="DigitalOcean refuses a node in another region than its VPC, halfway through `up`.",
        fix="Give both the same region, or the other region a VPC of its own.",
        source="https://docs.digitalocean.com/products/networking/vpc/details/limits/",
        severity=Severity.HIGH,
        check=_with_its_network,
    ),
    ResourceRule(
        name="version-supported",
        protects="A version without fixes keeps its holes.",
        fix=f"Ask for PostgreSQL {POSTGRESQL_VERSIONS[-1]}.",
        source=_VERSIONING,
        severity=Severity.HIGH,
        types=frozenset({CLUSTER}),
        check=_supported,
    ),
    ResourceRule(
        name="version-end-of-life",
        protects="An upgrade in a hurry goes wrong.",
        fix="Plan the upgrade to a later major version.",
        source=_VERSIONING,
        severity=Severity.MEDIUM,
        mandatory=False,
        types=frozenset({CLUSTER}),
        check=_ending,
        config={
            "months": {
                "type": "number",
                "minimum": 0,
                "default": 6,
                "description": "How long before the end it warns.",
            }
        },
    ),
    ResourceRule(
        name="maintenance-window",
        protects="Updates fail over when the product is in use.",
        fix="Set maintenanceWindows to a quiet hour (UTC).",
        source=f"{_DOCS}/how-to/schedule-updates/",
        severity=Severity.MEDIUM,
        types=frozenset({CLUSTER}),
        check=_window,
    ),
)
