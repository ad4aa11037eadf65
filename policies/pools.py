"""Connection pools within what a cluster's plan allows."""

import re
from collections.abc import Iterator

from pulumi_policy import Severity

from trellis.settings.catalogue import CONNECTIONS_PER_GIB, PLANS, RESERVED_CONNECTIONS

from .kinds import POOL, POOL_SIZE
from .resources import Resource, Stack, postgresql
from .rules import Config, Finding, ResourceRule, Rule, StackRule

_POOLS = "https://docs.digitalocean.com/products/databases/postgresql/how-to/manage-connection-pools/"
_MEMORY = re.compile(r"-(\d+)gb$")


def connections(slug: str) -> int | None:
    """How many connections a plan allows; None for a slug that does not name its memory.

    A plan outside the catalogue follows the same rule: 25 for each GiB of memory less 3.
    """
    if slug in PLANS:
        return PLANS[slug].connections
    memory = _MEMORY.search(slug)
    return CONNECTIONS_PER_GIB * int(memory.group(1)) - RESERVED_CONNECTIONS if memory else None


def _budget(stack: Stack, config: Config) -> Iterator[Finding]:
    headroom = int(config["headroom"])
    # The size of a pool that is resized where it stands.
    resized = {size.fields.peek("of"): size.fields.object("wanted").get("size") for size in stack.of(POOL_SIZE)}
    for cluster in postgresql(stack):
        of_cluster = stack.of_cluster(cluster, POOL)
        pools = {pool.called: resized.get(pool.name) or pool.fields.get("size") for pool in of_cluster}
        slug = cluster.fields.get("size")
        limit = connections(slug) if slug else None
        if limit is None:
            if slug and pools:
                yield Finding(message=f"{cluster.called}: the plan {slug} does not tell its memory.", urn=cluster.urn)
            continue
        taken = int(sum(size or 0 for size in pools.values()))
        if taken > limit - headroom:
            sizes = ", ".join(f"{name} {int(size)}" for name, size in sorted(pools.items()) if size)
            yield Finding(
                message=f"{cluster.called}: its pools take {taken} connections ({sizes}). The plan {slug} allows "
                f"{limit}; {headroom} are kept for migrations and monitoring, so {limit - headroom} are left.",
                urn=cluster.urn,
            )


def _deployed(stack: Stack, _config: Config) -> Iterator[Finding]:
    changed_in_place = {size.fields.peek("of") for size in stack.of(POOL_SIZE)}
    for pool in stack.of(POOL):
        if (ignored := pool.ignored & {"size", "user", "*"}) and pool.name not in changed_in_place:
            yield Finding(message=f"{pool.called} ignores changes of {', '.join(sorted(ignored))}.", urn=pool.urn)


def _mode(resource: Resource, config: Config) -> Iterator[str]:
    mode = resource.fields.get("mode")
    if mode and mode != "transaction" and resource.called not in config["sessions"]:
        yield f"{resource.called} has the mode {mode}."


def _user(resource: Resource, _config: Config) -> Iterator[str]:
    if not resource.fields.has("user"):
        yield f"{resource.called} names no user."


RULES: tuple[Rule, ...] = (
    StackRule(
        name="pools-within-plan",
        protects="Pools that take every connection lock out migrations, monitoring and whoever must look.",
        fix="Make pools smaller, or the plan larger.",
        source=_POOLS,
        severity=Severity.HIGH,
        check=_budget,
        config={
            "headroom": {
                "type": "integer",
                "minimum": 1,
                "default": 5,
                "description": "Connections of a cluster that no pool takes.",
            }
        },
    ),
    StackRule(
        name="pool-changes-deployed",
        protects="A pool whose size or user this program changes without deploying it lets in whom it let in before.",
        fix="Remove these names from ignoreChanges, or change them in place by a PoolSize.",
        source=_POOLS,
        severity=Severity.HIGH,
        check=_deployed,
    ),
    ResourceRule(
        name="pool-of-one-user",
        protects="A pool without a user lets every login of the cluster in, and shares its connections among them.",
        fix="Set user to the login of the app that the pool is for.",
        source=_POOLS,
        severity=Severity.MEDIUM,
        types=frozenset({POOL}),
        check=_user,
    ),
    ResourceRule(
        name="pool-mode-transaction",
        protects="In session mode a client holds a connection for as long as it lives; a pool then serves a few.",
        fix="Set mode to transaction, or name the pool under sessions in the pack's config.",
        source=_POOLS,
        severity=Severity.MEDIUM,
        types=frozenset({POOL}),
        check=_mode,
        config={
            "sessions": {
                "type": "array",
                "items": {"type": "string"},
                "default": [],
                "description": "Pools whose clients need session state.",
            }
        },
    ),
)
