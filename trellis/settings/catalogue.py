"""DigitalOcean's database plans, regions and versions as data, and what each phase buys.

Sources, named per figure in `Plan.documented`:
- connections: 25 for each GiB of memory less 3 that the server keeps for itself. 1 GiB (22) and 4 GiB (97) are
  documented in DigitalOcean's limits page for PostgreSQL; the other plans follow from the rule.
- monthly prices of a node, and $0.215 for each GiB of storage beyond the plan's, in steps of 10: DigitalOcean's price
  list of 2026 (digitalocean.com/pricing/managed-databases). Not checked against a bill.
- a read-only node is at least as large as the primary and costs what a node of its size costs: the same list and
  DigitalOcean's page on read-only nodes. Sure of the rule, not checked against a bill.
- a node of the Advanced edition costs at least $130: "begins at $130 per node" in public quotations of DigitalOcean's
  announcement. Its price list was not seen, and what a read-only node of it costs is not known: it counts as a Standard
  node of its size.
- Droplet sizes, volumes ($0.10 a GiB) and Spaces ($5, however many buckets): DigitalOcean's pricing pages.
- `trellis:prices` of a stack goes before any price of a size, in the program, its policies and `preview-report`.
- a 1 GiB cluster cannot have a standby node (DigitalOcean's PostgreSQL limits).
- editions, the limits of new Standard clusters and their days: public quotations of DigitalOcean's announcement "Plan
  Changes Beginning 15 October 2026", not its own page.
- Advanced's sizes: the API's document disagrees with itself. Its example of a new cluster has db-s-2vcpu-4gb with three
  nodes; its example of the options lists dedicated sizes alone (gd-…, so1_5-…).
`trellis facts` compares all of that but prices, memory and storage with what DigitalOcean offers an account.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

CONNECTIONS_PER_GIB = 25
RESERVED_CONNECTIONS = 3
FIRST_DATABASE = "defaultdb"
"""Every cluster has it from its first moment on. On a self-hosted server it has the tables that the server carries out.
"""


class Phase(StrEnum):
    """How far a system has grown. The order is the order of growth."""

    LAUNCH = "launch"
    GROWTH = "growth"
    SCALE = "scale"

    @property
    def rank(self) -> int:
        """0 for launch, 1 for growth, 2 for scale."""
        return list(Phase).index(self)


class Edition(StrEnum):
    """DigitalOcean's two kinds of managed PostgreSQL. A cluster cannot change from one to the other: it moves."""

    STANDARD = "standard"
    ADVANCED = "advanced"

    @property
    def engine(self) -> str:
        """What the API calls it."""
        return "pg" if self is Edition.STANDARD else "advanced_pg"

    @property
    def versions(self) -> tuple[str, ...]:
        """The major versions that it has, oldest first."""
        return POSTGRESQL_VERSIONS if self is Edition.STANDARD else ("16", "17", "18")


# The days since which a new Standard cluster has limits: of an account without one before, and of every account.
STANDARD_LIMITED = (date(2026, 10, 15), date(2026, 11, 30))
# What one of them can have at most, a node's memory. It has no standby and no read-only nodes either.
STANDARD_MOST_GIB = 4


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One node size of a managed cluster.

    slug: DigitalOcean's name for it, for example "db-s-1vcpu-1gb".
    memory_gib, storage_gib: per node.
    monthly_usd: US dollars a month for one node of the Standard edition, read-only or not.
    documented: the figures that DigitalOcean publishes for this plan; the others are derived.
    """

    slug: str
    vcpus: int
    memory_gib: int
    storage_gib: int
    monthly_usd: float
    documented: frozenset[str] = frozenset()

    @property
    def connections(self) -> int:
        """Connections that clients can use, all pools together."""
        return CONNECTIONS_PER_GIB * self.memory_gib - RESERVED_CONNECTIONS

    @property
    def standby_allowed(self) -> bool:
        """Whether a cluster of this plan can have more than one node."""
        return self.memory_gib > 1


_PRICED = frozenset({"monthly_usd"})
_PUBLISHED = _PRICED | {"memory_gib", "vcpus", "storage_gib"}

PLANS: Mapping[str, Plan] = {
    plan.slug: plan
    for plan in (
        Plan(
            slug="db-s-1vcpu-1gb",
            vcpus=1,
            memory_gib=1,
            storage_gib=10,
            monthly_usd=15.15,
            documented=_PUBLISHED | {"connections"},
        ),
        Plan(
            slug="db-s-1vcpu-2gb",
            vcpus=1,
            memory_gib=2,
            storage_gib=30,
            monthly_usd=30.45,
            documented=_PUBLISHED,
        ),
        Plan(
            slug="db-s-2vcpu-4gb",
            vcpus=2,
            memory_gib=4,
            storage_gib=60,
            monthly_usd=60.90,
            documented=_PUBLISHED | {"connections"},
        ),
        Plan(slug="db-s-4vcpu-8gb", vcpus=4, memory_gib=8, storage_gib=140, monthly_usd=122.10, documented=_PRICED),
        Plan(slug="db-s-6vcpu-16gb", vcpus=6, memory_gib=16, storage_gib=290, monthly_usd=244.35, documented=_PRICED),
    )
}

REGIONS: frozenset[str] = frozenset("ams3 atl1 blr1 fra1 lon1 nyc1 nyc2 nyc3 ric1 sfo2 sfo3 sgp1 syd1 tor1".split())

POSTGRESQL_VERSIONS: tuple[str, ...] = ("13", "14", "15", "16", "17", "18")
# The last day on which a major version gets fixes (postgresql.org/support/versioning), of those before too: a program
# of anyone's may still name them.
END_OF_LIFE: Mapping[str, date] = {
    "11": date(2023, 11, 9),
    "12": date(2024, 11, 21),
    "13": date(2025, 11, 13),
    "14": date(2026, 11, 12),
    "15": date(2027, 11, 11),
    "16": date(2028, 11, 9),
    "17": date(2029, 11, 8),
    "18": date(2030, 11, 14),
}
# Before 15 every login may create in the schema public, and so offer the administrator functions and operators of its
# own. DigitalOcean guards its clusters against that; a server of one's own has nobody who does.
SELF_HOSTED_VERSIONS: tuple[str, ...] = ("15", "16", "17")
VALKEY_VERSIONS: tuple[str, ...] = ("8",)

PHASE_PLANS: Mapping[Phase, str] = {
    Phase.LAUNCH: "db-s-1vcpu-1gb",
    Phase.GROWTH: "db-s-1vcpu-2gb",
    Phase.SCALE: "db-s-2vcpu-4gb",
}


@dataclass(frozen=True, kw_only=True)
class DropletSize:
    """One size of a Droplet. monthly_usd: US dollars a month, without volumes."""

    slug: str
    vcpus: int
    memory_gib: int
    monthly_usd: float

    def plan(self, volume_gib: int) -> Plan:
        """The figures of a self-hosted cluster on this Droplet, whose data lie on a volume of so many GiB.

        PostgreSQL there is given the same connections for its memory as DigitalOcean gives. The volume costs extra.
        """
        return Plan(
            slug=self.slug,
            vcpus=self.vcpus,
            memory_gib=self.memory_gib,
            storage_gib=volume_gib,
            monthly_usd=self.monthly_usd,
        )


DROPLETS: Mapping[str, DropletSize] = {
    size.slug: size
    for size in (
        DropletSize(slug="s-1vcpu-1gb", vcpus=1, memory_gib=1, monthly_usd=6),
        DropletSize(slug="s-1vcpu-2gb", vcpus=1, memory_gib=2, monthly_usd=12),
        DropletSize(slug="s-2vcpu-2gb", vcpus=2, memory_gib=2, monthly_usd=18),
        DropletSize(slug="s-2vcpu-4gb", vcpus=2, memory_gib=4, monthly_usd=24),
        DropletSize(slug="s-4vcpu-8gb", vcpus=4, memory_gib=8, monthly_usd=48),
        DropletSize(slug="s-8vcpu-16gb", vcpus=8, memory_gib=16, monthly_usd=96),
    )
}

PHASE_DROPLETS: Mapping[Phase, str] = {
    Phase.LAUNCH: "s-1vcpu-1gb",
    Phase.GROWTH: "s-1vcpu-2gb",
    Phase.SCALE: "s-2vcpu-4gb",
}

# Regions without Spaces -> the nearest with it. The others have it (DigitalOcean's regional availability page).
NEAREST_SPACES: Mapping[str, str] = {"nyc1": "nyc3", "nyc2": "nyc3"}

# App Platform's instance sizes, US dollars a month, from the API's document: the example of its list of sizes.
APP_SIZES: Mapping[str, float] = {
    "apps-s-1vcpu-0.5gb": 5,
    "apps-s-1vcpu-1gb-fixed": 10,
    "apps-s-1vcpu-1gb": 12,
    "apps-s-1vcpu-2gb": 25,
    "apps-s-2vcpu-4gb": 50,
    "apps-d-1vcpu-0.5gb": 29,
    "apps-d-1vcpu-1gb": 34,
    "apps-d-1vcpu-2gb": 39,
    "apps-d-1vcpu-4gb": 49,
    "apps-d-2vcpu-4gb": 78,
    "apps-d-2vcpu-8gb": 98,
    "apps-d-4vcpu-8gb": 156,
    "apps-d-4vcpu-16gb": 196,
    "apps-d-8vcpu-32gb": 392,
}
# A cluster's storage beyond its plan's, which is sold in steps.
STORAGE_GIB_MONTHLY_USD = 0.215
STORAGE_STEP_GIB = 10
VOLUME_GIB_MONTHLY_USD = 0.10
SPACES_MONTHLY_USD = 5.0


# What a stack or the policies call the least price of an Advanced node.
ADVANCED = Edition.ADVANCED.value
ADVANCED_NODE_USD = 130.0


def monthly_usd(
    size: str, prices: Mapping[str, float], number: int = 1, edition: Edition = Edition.STANDARD
) -> float | None:
    """What nodes, read-only nodes, Droplets or instances of an app of one size cost, US dollars a month, to the cent.

    prices: size, or `advanced`, -> US dollars a month, before the catalogue's. None where no price is known.
    """
    listed = PLANS.get(size) or DROPLETS.get(size)
    known = APP_SIZES.get(size, ADVANCED_NODE_USD if size == ADVANCED else None)
    price = prices.get(size, listed.monthly_usd if listed else known)
    if price is None:
        return None
    if edition is Edition.ADVANCED:
        price = max(price, prices.get(ADVANCED, ADVANCED_NODE_USD))
    return round(number * price, 2)


# How far back a managed cluster can be restored to any second, in days (DigitalOcean's PostgreSQL features page).
RECOVERY_DAYS = 7

MAX_NODES = 3
MAX_TRUSTED_SOURCES = 100
WIDEST_TRUSTED_PREFIX = 16
"""The widest range that a cluster with a product on it should admit, as a prefix length."""
BLOCKED_PORTS = frozenset({"25", "465", "587"})
"""Those of mail servers that Droplets do not reach: 25 by DigitalOcean's support page, the others by its users."""
