"""History: the table of what was applied, and what follows from it and the files. It asks no server."""

from .comparison import Examination, FileState, Pending, examine
from .drizzle import HISTORIES, DrizzleTable
from .ledger import read_ledger
from .planning import Plan, plan
from .table import (
    BASELINE_DESCRIPTION,
    SCHEMA_DESCRIPTION,
    TABLE,
    HistoryRow,
    HistoryTable,
    Unfinished,
    identifier,
    literal,
    read_rows,
)

__all__ = [
    "BASELINE_DESCRIPTION",
    "HISTORIES",
    "SCHEMA_DESCRIPTION",
    "TABLE",
    "DrizzleTable",
    "Examination",
    "FileState",
    "HistoryRow",
    "HistoryTable",
    "Pending",
    "Plan",
    "Unfinished",
    "examine",
    "identifier",
    "literal",
    "plan",
    "read_ledger",
    "read_rows",
]
