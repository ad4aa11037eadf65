"""Migrations of a PostgreSQL database, in Flyway's format.

Files are Flyway's (`V1.0.0__Name.sql`, `R__Name.sql`, `B1__Name.sql`), and so are the history table and its checksums:
either tool can take a database over from the other, and they keep out of each other's way by the same lock.

Names are imported when they are first used: reading a folder or making a plan does not load the database driver.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trellis.migrator.apply import migrate
    from trellis.migrator.cleaning import Contents, clean, contents
    from trellis.migrator.connecting import Target
    from trellis.migrator.errors import MigrationError
    from trellis.migrator.history import HistoryRow, Pending, Plan, plan
    from trellis.migrator.inspection import MigrationInfo, info, validate
    from trellis.migrator.options import Options, Stop
    from trellis.migrator.repairs import RepairReport, baseline, repair
    from trellis.migrator.report import AppliedMigration, Report
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
    "baseline",
    "clean",
    "contents",
    "discover",
    "info",
    "migrate",
    "plan",
    "repair",
    "validate",
]

_MODULES = {
    "AppliedMigration": "report",
    "Contents": "cleaning",
    "HistoryRow": "history",
    "Kind": "sql",
    "MigrationError": "errors",
    "MigrationFile": "sql",
    "MigrationInfo": "inspection",
    "Options": "options",
    "Pending": "history",
    "Plan": "history",
    "RepairReport": "repairs",
    "Report": "report",
    "Stop": "options",
    "Target": "connecting",
    "baseline": "repairs",
    "clean": "cleaning",
    "contents": "cleaning",
    "discover": "sql",
    "info": "inspection",
    "migrate": "apply",
    "plan": "history",
    "repair": "repairs",
    "validate": "inspection",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
