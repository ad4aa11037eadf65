"""The settings of a PostgreSQL cluster that DigitalOcean lets a user change."""

from __future__ import annotations

from localcloud.postgresql import SETTINGS
from localcloud.providers.digitalocean.database_parts import configuration
from localcloud.providers.schema import Kind, Mode, Property, boolean, camel_case, integer, number, objects, text, texts

COMPUTED = Mode.OPTIONAL_COMPUTED
# Settings of the API that the official plugin does not know, or calls by another name.
UNKNOWN = {
    "max_connections",
    "max_failover_replication_time_lag",
    "max_slot_wal_keep_size",
    "shared_buffers_percentage",
}
NUMBERS = {camel_case(name): item for name, item in SETTINGS.items() if name not in UNKNOWN and "." not in name}
SWITCH = ("off", "on")
CHOICES = {
    "defaultToastCompression": ("lz4", "pglz"),
    "logErrorVerbosity": ("TERSE", "DEFAULT", "VERBOSE"),
    "logLinePrefix": (
        "pid=%p,user=%u,db=%d,app=%a,client=%h",
        "%m [%p] %q[user=%u,db=%d,app=%a]",
        "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h",
    ),
    "trackCommitTimestamp": SWITCH,
    "trackFunctions": ("all", "pl", "none"),
    "trackIoTiming": SWITCH,
    "timezone": (),
}
# The API names these after the extension's settings, dots included.
DOTTED: tuple[Property, ...] = (
    text("pgPartmanBgwRole", COMPUTED, wire="pg_partman_bgw.role"),
    integer("pgPartmanBgwInterval", COMPUTED, wire="pg_partman_bgw.interval"),
    text("pgStatStatementsTrack", COMPUTED, wire="pg_stat_statements.track"),
)
POOLER_INTEGERS = "autodbIdleTimeout autodbMaxDbConnections autodbPoolSize minPoolSize serverIdleTimeout serverLifetime"
POOLER = (
    *(integer(name, COMPUTED, explicit=True) for name in POOLER_INTEGERS.split()),
    text("autodbPoolMode", COMPUTED),
    texts("ignoreStartupParameters", Kind.SET, COMPUTED),
    boolean("serverResetQueryAlways", COMPUTED, explicit=True),
)


POSTGRESQL_CONFIG = configuration(
    "Postgresql",
    "PostgreSQL configuration",
    (
        *((number if isinstance(item.low, float) else integer)(name, COMPUTED) for name, item in NUMBERS.items()),
        number("sharedBuffersPercentage", COMPUTED, within=(20, 60)),
        *(text(name, COMPUTED, choices=choices) for name, choices in CHOICES.items()),
        *DOTTED,
        # It may be off.
        boolean("jit", COMPUTED, explicit=True),
        objects("pgbouncers", POOLER, mode=COMPUTED, wire="pgbouncer", single=True),
        objects("timescaledbs", (integer("maxBackgroundWorkers"),), mode=COMPUTED, wire="timescaledb", single=True),
    ),
)
