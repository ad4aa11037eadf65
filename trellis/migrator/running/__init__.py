"""Running: what is pending is applied, in transactions or statement by statement, and told in a report."""

from .apply import migrate
from .report import AppliedMigration, Report

__all__ = ["AppliedMigration", "Report", "migrate"]
