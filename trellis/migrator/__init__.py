"""Migrations of a PostgreSQL database, in Flyway's format.

Files are Flyway's (`V1.0.0__Name.sql`, `R__Name.sql`, `B1__Name.sql`), and so are the history table and its checksums:
either tool can take a database over from the other, and they keep out of each other's way by the same lock.

Names are imported when they are first used: reading a folder or making a plan does not load the database driver.
"""

from typing import TYPE_CHECKING

from trellis.startup import late

if TYPE_CHECKING:
    from trellis.migrator.connecting import Target
    from trellis.migrator.errors import MigrationError
    from trellis.migrator.history import HistoryRow, Pending, Plan, plan
    from trellis.migrator.options import Options, Stop
    from trellis.migrator.repairing import (
        Contents,
        MigrationInfo,
        RepairReport,
        admit,
        baseline,
        clean,
        contents,
        info,
        join,
        joins_itself,
        may_join,
        repair,
        validate,
    )
    from trellis.migrator.running import AppliedMigration, Report, migrate
    from trellis.migrator.sql import Kind, MigrationFile, discover

__all__ = [
    "AppliedMigration",
    "Contents",
    "HistoryRow",
    "Kind",
    "MigrationError",
    "MigrationFile",
    "MigrationInfo",
    "Options",
    "Pending",
    "Plan",
    "RepairReport",
    "Report",
    "Stop",
    "Target",
    "admit",
    "baseline",
    "clean",
    "contents",
    "discover",
    "info",
    "join",
    "joins_itself",
    "may_join",
    "migrate",
    "plan",
    "repair",
    "validate",
]

_HOMES = {
    ".errors": ("MigrationError",),
    ".options": ("Options", "Stop"),
    ".sql": ("Kind", "MigrationFile", "discover"),
    ".history": ("HistoryRow", "Pending", "Plan", "plan"),
    ".connecting": ("Target",),
    ".running": ("AppliedMigration", "Report", "migrate"),
    ".repairing": (
        "Contents",
        "MigrationInfo",
        "RepairReport",
        "admit",
        "baseline",
        "clean",
        "contents",
        "info",
        "join",
        "joins_itself",
        "may_join",
        "repair",
        "validate",
    ),
}

__getattr__ = late(__name__, _HOMES)
