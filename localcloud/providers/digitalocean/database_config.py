"""The settings of a PostgreSQL cluster that DigitalOcean lets a user change."""

from __future__ import annotations

from localcloud.providers.digitalocean.database_parts import configuration
from localcloud.providers.schema import Kind, Mode, Property, boolean, integer, number, objects, text, texts

COMPUTED = Mode.OPTIONAL_COMPUTED
INTEGERS = (
    "autovacuumAnalyzeThreshold autovacuumFreezeMaxAge autovacuumMaxWorkers autovacuumNaptime "
    "autovacuumVacuumCostDelay autovacuumVacuumCostLimit autovacuumVacuumThreshold backupHour backupMinute "
    "bgwriterDelay bgwriterFlushAfter bgwriterLruMaxpages deadlockTimeout idleInTransactionSessionTimeout "
    "logAutovacuumMinDuration logMinDurationStatement maxFilesPerProcess maxLocksPerTransaction "
    "maxLogicalReplicationWorkers maxParallelWorkers maxParallelWorkersPerGather maxPredLocksPerTransaction "
    "maxPreparedTransactions maxReplicationSlots maxStackDepth maxStandbyArchiveDelay maxStandbyStreamingDelay "
    "maxWalSenders maxWorkerProcesses tempFileLimit trackActivityQuerySize walSenderTimeout walWriterDelay workMem"
).split()
NUMBERS = "autovacuumAnalyzeScaleFactor autovacuumVacuumScaleFactor bgwriterLruMultiplier".split()
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
POOLER = (
    *(
        integer(name, COMPUTED, explicit=True)
        for name in (
            "autodbIdleTimeout",
            "autodbMaxDbConnections",
            "autodbPoolSize",
            "minPoolSize",
            "serverIdleTimeout",
            "serverLifetime",
        )
    ),
    text("autodbPoolMode", COMPUTED),
    texts("ignoreStartupParameters", Kind.SET, COMPUTED),
    boolean("serverResetQueryAlways", COMPUTED, explicit=True),
)


POSTGRESQL_CONFIG = configuration(
    "Postgresql",
    "PostgreSQL configuration",
    (
        *(integer(name, COMPUTED) for name in INTEGERS),
        *(number(name, COMPUTED) for name in NUMBERS),
        number("sharedBuffersPercentage", COMPUTED, within=(20, 60)),
        *(text(name, COMPUTED, choices=choices) for name, choices in CHOICES.items()),
        *DOTTED,
        # It may be off.
        boolean("jit", COMPUTED, explicit=True),
        objects("pgbouncers", POOLER, mode=COMPUTED, wire="pgbouncer", single=True),
        objects("timescaledbs", (integer("maxBackgroundWorkers"),), mode=COMPUTED, wire="timescaledb", single=True),
    ),
)
