"""Repairing: what is wrong with a history, setting it right, emptying a database, and who may come in."""

from .admission import admit
from .cleaning import Contents, clean, contents
from .inspection import MigrationInfo, info, validate
from .membership import join, joins_itself, may_join
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
    "join",
    "joins_itself",
    "may_join",
    "repair",
    "validate",
]
