"""Repairing: what is wrong with a history, setting it right, and emptying a database."""

from .admission import admit
from .cleaning import Contents, clean, contents
from .inspection import MigrationInfo, info, validate
from .repairs import RepairReport, Repairs, baseline, repair

__all__ = [
    "Contents",
    "MigrationInfo",
    "RepairReport",
    "Repairs",
    "admit",
    "baseline",
    "clean",
    "contents",
    "info",
    "repair",
    "validate",
]
