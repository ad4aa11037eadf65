"""What the cloud sells: regions, engines with their versions, and database plans.

Sources. Connection limits: DigitalOcean documents 22 for 1 GiB and 97 for 4 GiB, that is 25 per GiB less 3 that
stay reserved; the other limits follow the same formula. Storage: the base disk of each plan as the control panel
lists it, the largest disk as the storage scaling documentation does; the figures of plans above 4 GiB are derived.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from localcloud.records import Engine

CONNECTIONS_PER_GIB = 25
RESERVED_CONNECTIONS = 3
"""Kept for superusers (DigitalOcean's own maintenance): `superuser_reserved_connections` of the server."""

VALKEY_MEMORY_SHARE = 0.7
"""Of a plan's memory, what a Valkey's data may take; the rest is for the copy a snapshot is written from. A choice of
the local cloud's: DigitalOcean publishes no figure."""

MAX_NODES = 3
MAX_CLUSTERS = 10
"""Clusters an account may have before it asks for more."""
MAX_TRUSTED_SOURCES = 100
MIB_PER_GIB = 1024


@dataclass(frozen=True, kw_only=True)
class Region:
    """A data centre. `app_region` is the shorter slug App Platform uses for the same place."""

    slug: str
    name: str

    @property
    def app_region(self) -> str:
        return self.slug.rstrip("0123456789")


@dataclass(frozen=True)
class Plan:
    """A database plan: memory in GiB, disks in MiB."""

    slug: str
    vcpus: int
    memory_gib: int
    storage_mib: int
    max_storage_mib: int

    @property
    def max_connections(self) -> int:
        """`max_connections` of the server, reserved ones included."""
        return CONNECTIONS_PER_GIB * self.memory_gib

    @property
    def backend_limit(self) -> int:
        """Connections left for users and for all pools together."""
        return self.max_connections - RESERVED_CONNECTIONS

    @property
    def valkey_memory_mib(self) -> int:
        """`maxmemory` of a Valkey server."""
        return int(VALKEY_MEMORY_SHARE * MIB_PER_GIB * self.memory_gib)

    @property
    def max_nodes(self) -> int:
        """A 1 GiB plan has no standby; every other plan takes up to two."""
        return 1 if self.memory_gib == 1 else MAX_NODES


REGIONS = {
    slug: Region(slug=slug, name=name)
    for slug, _, name in (
        entry.strip().partition(" ")
        for entry in """
nyc1 New York 1; nyc2 New York 2; nyc3 New York 3; sfo2 San Francisco 2; sfo3 San Francisco 3; ams3 Amsterdam 3
sgp1 Singapore 1; lon1 London 1; fra1 Frankfurt 1; tor1 Toronto 1; blr1 Bangalore 1; syd1 Sydney 1; atl1 Atlanta 1
""".strip()
        .replace("\n", ";")
        .split(";")
    )
}


_PLANS = """
db-s-1vcpu-1gb 1 1 10 30; db-s-1vcpu-2gb 1 2 30 60; db-s-2vcpu-4gb 2 4 60 120; db-s-4vcpu-8gb 4 8 140 560
db-s-6vcpu-16gb 6 16 290 1160; db-s-8vcpu-32gb 8 32 580 2320; gd-2vcpu-8gb 2 8 30 260; gd-4vcpu-16gb 4 16 60 520
gd-8vcpu-32gb 8 32 130 1040
"""
"""Slug, vCPUs, and in GiB memory, base disk and largest disk."""
PLANS = {
    slug: Plan(slug, int(vcpus), int(memory), int(disk) * MIB_PER_GIB, int(largest) * MIB_PER_GIB)
    for slug, vcpus, memory, disk, largest in map(str.split, _PLANS.strip().replace("\n", ";").split(";"))
}

POSTGRESQL_VERSIONS = {
    "13": "2025-11-13T00:00:00Z",
    "14": "2026-11-12T00:00:00Z",
    "15": "2027-11-11T00:00:00Z",
    "16": "2028-11-09T00:00:00Z",
    "17": "2029-11-08T00:00:00Z",
    "18": "2030-11-13T00:00:00Z",
}
"""Majors DigitalOcean offers, with their end of life from the PostgreSQL project's versioning policy.
Of these the local cloud can only run the ones that are installed."""

ADVANCED_PLANS = ("db-s-2vcpu-4gb", "gd-2vcpu-8gb", "gd-4vcpu-16gb", "gd-8vcpu-32gb")
"""Of PLANS, those that the OpenAPI document has for Advanced: the first in its example, the others in its options."""

LIMITED_GIB = 4
LIMITED_FROM, LIMITED_NEW_FROM = date(2026, 11, 30), date(2026, 10, 15)
"""From when on new Standard clusters have at most this memory, no standby and no read-only nodes: for all accounts, and
for those that never had a cluster. Source: quotations of DigitalOcean's announcement; the page was not seen."""

USUAL_DAY = date(2026, 10, 14)
"""What the rules go by until the account is given a day: the last one without limits."""

VALKEY_VERSIONS: Mapping[str, str | None] = {"8": None}
"""Majors DigitalOcean offers, with their end of life, which is not announced."""


@dataclass(frozen=True)
class EngineType:
    """An engine that runs here. versions: majors on offer with their end of life. plans: what it runs on."""

    slug: Engine
    title: str
    admin: str
    versions: Mapping[str, str | None]
    default_version: str
    plans: Mapping[str, Plan]


_ADVANCED = {major: POSTGRESQL_VERSIONS[major] for major in ("16", "17", "18")}
RUNNING = {
    engine.slug: engine
    for engine in (
        EngineType("pg", "PostgreSQL", "doadmin", POSTGRESQL_VERSIONS, "17", PLANS),
        EngineType(
            "advanced_pg",
            "PostgreSQL Advanced",
            "doadmin",
            _ADVANCED,
            "18",
            {slug: PLANS[slug] for slug in ADVANCED_PLANS},
        ),
        EngineType("valkey", "Valkey", "default", VALKEY_VERSIONS, "8", PLANS),
    )
}

ENGINES = ("pg", "mysql", "redis", "valkey", "mongodb", "kafka", "opensearch", "advanced_pg", "advanced_mysql")
"""Engines DigitalOcean knows. Those in RUNNING run here."""
