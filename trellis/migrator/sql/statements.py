"""What a statement may do to the transaction it runs in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from .splitter import LEGACY, quiet

_Head = tuple[str, ...]


class NonTransactional(Enum):
    """Kinds of statement PostgreSQL refuses inside a transaction block."""

    CREATE_INDEX = "CREATE INDEX CONCURRENTLY"
    DROP_INDEX = "DROP INDEX CONCURRENTLY"
    REINDEX = "REINDEX"
    DETACH_PARTITION = "DETACH PARTITION CONCURRENTLY"
    CREATE_DATABASE = "CREATE DATABASE"
    DROP_DATABASE = "DROP DATABASE"
    CREATE_OBJECT = "CREATE TABLESPACE or SUBSCRIPTION"
    DROP_OBJECT = "DROP TABLESPACE or SUBSCRIPTION"
    REPEATABLE = "VACUUM, CLUSTER or ALTER SYSTEM"


# By which SQLSTATE the server says, when a statement is sent again, that the first time had already done the work.
DONE_BEFORE: Mapping[NonTransactional, str] = {
    NonTransactional.DROP_INDEX: "42704",
    NonTransactional.CREATE_DATABASE: "42P04",
    NonTransactional.DROP_DATABASE: "3D000",
    NonTransactional.CREATE_OBJECT: "42710",
    NonTransactional.DROP_OBJECT: "42704",
}


def non_transactional_kind(head: _Head) -> NonTransactional | None:
    """The kind, when a statement has to run outside a transaction block; None for all others.

    Broader than Flyway's list: REINDEX ... CONCURRENTLY in all its forms, DETACH PARTITION ... CONCURRENTLY, CLUSTER of
    everything, ALTER DATABASE ... SET TABLESPACE and ALTER SUBSCRIPTION of publications too.
    """
    first, second = (*head, "", "")[:2]
    if first in ("CREATE", "DROP"):
        return _create_or_drop(first, tuple(word for word in head[1:4] if word != "UNIQUE"))
    if first == "REINDEX":
        wide = any(word in head for word in ("SCHEMA", "DATABASE", "SYSTEM"))
        return NonTransactional.REINDEX if wide or "CONCURRENTLY" in head else None
    if first == "ALTER":
        return _alter(second, head)
    everything = first == "CLUSTER" and all(word in ("CLUSTER", "VERBOSE") for word in head)
    return NonTransactional.REPEATABLE if first == "VACUUM" or everything else None


def _create_or_drop(first: str, rest: _Head) -> NonTransactional | None:
    if rest[:2] == ("INDEX", "CONCURRENTLY"):
        return NonTransactional.CREATE_INDEX if first == "CREATE" else NonTransactional.DROP_INDEX
    if rest[:1] == ("DATABASE",):
        return NonTransactional.CREATE_DATABASE if first == "CREATE" else NonTransactional.DROP_DATABASE
    if rest[:1] in (("TABLESPACE",), ("SUBSCRIPTION",)):
        return NonTransactional.CREATE_OBJECT if first == "CREATE" else NonTransactional.DROP_OBJECT
    return None


def _alter(second: str, head: _Head) -> NonTransactional | None:
    if second == "TABLE" and "DETACH" in head and head[-1:] == ("CONCURRENTLY",):
        return NonTransactional.DETACH_PARTITION
    settable = second == "DATABASE" and head[-3:-1] == ("SET", "TABLESPACE")
    # SET, ADD and DROP PUBLICATION refresh too, unless they say otherwise.
    refreshes = second == "SUBSCRIPTION" and ("REFRESH" in head or "PUBLICATION" in head)
    return NonTransactional.REPEATABLE if second == "SYSTEM" or settable or refreshes else None


def may_commit(head: _Head) -> bool:
    """CALL and DO may run code that commits; outside a transaction block they are sent as they are."""
    return head[:1] in (("CALL",), ("DO",))


def sets_session(head: _Head) -> bool:
    """SET and RESET of something that outlives a transaction."""
    return head[:1] == ("RESET",) or (head[:1] == ("SET",) and head[1:2] not in (("LOCAL",), ("TRANSACTION",)))


_CONTROL = frozenset("BEGIN START COMMIT END ABORT ROLLBACK PREPARE".split())
_CALLERS = frozenset("CALL DO SELECT VALUES WITH".split())
_UNLOCK_ALL = re.compile(r"\bpg_advisory_unlock_all\b", re.IGNORECASE)
_STRINGS_SETTING = re.compile(r"SET\s+(?:SESSION\s+|LOCAL\s+)?STANDARD_CONFORMING_STRINGS\b", re.IGNORECASE)
_STRINGS_ON = re.compile(r"\s*(?:=|TO)\s*'?(?:ON|TRUE|YES|1|DEFAULT)\b", re.IGNORECASE)


def controls_transaction(head: _Head) -> bool:
    """Whether a statement begins or ends a transaction, or prepares one for two-phase commit."""
    first, second = (*head, "", "")[:2]
    savepoint = first == "ROLLBACK" and "TO" in head[1:3]
    prepared_query = first == "PREPARE" and second != "TRANSACTION"
    return first in _CONTROL and not savepoint and not prepared_query


def commits(head: _Head) -> bool:
    """COMMIT and END, unless another transaction follows at once."""
    return head[:1] in (("COMMIT",), ("END",)) and ("CHAIN" not in head or "NO" in head)


def refusal(head: _Head, text: str, *, legacy: bool = False) -> str | None:
    """Why a statement has no place in a migration; None when it has. legacy: whether it may end transactions."""
    first, second = (*head, "", "")[:2]
    if controls_transaction(head) and not (legacy and "PREPARED" not in head and first != "PREPARE"):
        name = f"{first} {second}" if second in ("TRANSACTION", "WORK", "PREPARED") else first
        return (
            f"{name} is not allowed in a migration: the migrator opens and ends the transaction of a file, so that the"
            f" file and its row in the history stand or fall together. A new file goes without. {LEGACY}"
        )
    if (first, second) == ("DISCARD", "ALL"):
        return "DISCARD ALL is not allowed in a migration: it would give up the lock that keeps other migrators out"
    if first in _CALLERS and (found := _UNLOCK_ALL.search(text)) and (first == "DO" or _UNLOCK_ALL.search(quiet(text))):
        return (
            f"{found[0]}() is not allowed in a migration: it would give up the lock that keeps other migrators out. "
            "Name the key: pg_advisory_unlock(key)"
        )
    setting = _STRINGS_SETTING.match(text) if first == "SET" else None
    if setting and not _STRINGS_ON.match(text, setting.end()):
        return (
            "standard_conforming_strings cannot be switched off in a migration: where its strings end would depend on"
            " it. Write E'...' where a backslash is meant as an escape"
        )
    return None


@dataclass(frozen=True, slots=True)
class IndexBuild:
    """CREATE INDEX CONCURRENTLY: the name it gives and the table, both as SQL writes them."""

    name: str
    table: str


def index_build(head: _Head) -> IndexBuild | None:
    """Name and table of a CREATE INDEX CONCURRENTLY; None where it leaves the name to the server."""
    words = list(head[head.index("CONCURRENTLY") + 1 :])
    if words[:3] == ["IF", "NOT", "EXISTS"]:
        words = words[3:]
    if len(words) < 3 or words[0] == "ON" or words[1] != "ON":
        return None
    table = words[3:] if words[2] == "ONLY" else words[2:]
    name = table[0]
    if table[1:2] == ["."] and len(table) > 2:
        name += "." + table[2]
    return IndexBuild(words[0], name)
