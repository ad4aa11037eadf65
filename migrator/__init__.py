"""Migrations of a PostgreSQL database, in Flyway's format.

Files are Flyway's (`V1.0.0__Name.sql`, `R__Name.sql`, `B1__Name.sql`), and so are the history table and its checksums:
either tool can take a database over from the other, and they keep out of each other's way by the same lock.
"""

from migrator.apply import migrate
from migrator.connection import Target
from migrator.errors import MigrationError
from migrator.files import Kind, MigrationFile, discover
from migrator.history import HistoryRow
from migrator.inspection import MigrationInfo, info, validate
from migrator.options import Options
from migrator.plan import Pending, Plan, plan
from migrator.repair import RepairReport, baseline, repair
from migrator.report import AppliedMigration, Report

__all__ = [
    "AppliedMigration",
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
    "Target",
    "baseline",
    "discover",
    "info",
    "migrate",
    "plan",
    "repair",
    "validate",
]
