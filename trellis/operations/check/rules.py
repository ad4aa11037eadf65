"""Which of squawk's rules count and how much, and the rules that squawk does not have.

Locks and rewrites are those of PostgreSQL 17's manual: "Explicit Locking", ALTER TABLE, CLUSTER, VACUUM and
REFRESH MATERIALIZED VIEW.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from trellis.operations.check.findings import Severity
from trellis.operations.check.locks import Work
from trellis.operations.check.statements import NAME

# Rules of squawk 2.70 that the migrator makes moot -> why.
MOOT: Mapping[str, str] = {
    "require-timeout-settings": "the migrator sets lock_timeout for every statement",
    "require-lock-timeout": "the migrator sets lock_timeout for every statement, and tries again when it runs out",
    "require-statement-timeout": "a backfill may take its time; `migrate --statement-timeout` bounds it",
    "prefer-robust-stmts": "a file and its history row are one transaction, and outside a transaction the next run goes"
    " on after the last finished statement: nothing runs twice, so nothing need be repeatable",
    "ban-concurrent-index-creation-in-transaction": "the migrator runs such a file outside a transaction",
    "transaction-nesting": "the migrator refuses BEGIN and COMMIT in a file that is not legacy: trellis-refused",
    "ban-uncommitted-transaction": "the migrator refuses BEGIN in a file that is not legacy: trellis-refused",
}

_EXPAND = (
    "Expand and contract: {}, deploy the version that uses only the new one, then drop the old one in a later file."
)
_CONTRACT = "Drop it only after every running version has stopped using it; then say so: -- trellis-ignore {}"

# Rules of squawk that are errors here -> advice where squawk has none. Its other rules are warnings.
ERRORS: Mapping[str, str | None] = {
    "syntax-error": "If PostgreSQL knows this syntax and squawk does not: -- trellis-ignore syntax-error above it.",
    "renaming-column": _EXPAND.format("add the new column, let a trigger or the app write both, copy the old rows"),
    "renaming-table": _EXPAND.format("rename it and leave a view under the old name"),
    "changing-column-type": _EXPAND.format("add a column of the new type, write both, copy the old rows in batches"),
    "ban-drop-column": _CONTRACT.format("ban-drop-column"),
    "ban-drop-table": _CONTRACT.format("ban-drop-table"),
    "ban-drop-database": None,
    "ban-truncate-cascade": None,
    "adding-required-field": None,
    "adding-not-nullable-field": "Add CHECK (column IS NOT NULL) NOT VALID, validate it in a later file, then SET NOT"
    " NULL: PostgreSQL then does not read the table.",
    "adding-field-with-default": None,
    "adding-foreign-key-constraint": None,
    "adding-serial-primary-key-field": None,
    "constraint-missing-not-valid": None,
    "disallowed-unique-constraint": None,
    "require-concurrent-index-creation": None,
    "require-concurrent-index-deletion": None,
    "require-concurrent-partition-detach": None,
    "require-concurrent-reindex": None,
}

# What squawk says in vain of a table that the same files make.
MOOT_ON_NEW = {*ERRORS, "ban-drop-not-null", "renaming-object"} - {
    "syntax-error",
    "ban-drop-database",
    "ban-truncate-cascade",
}
# What counts only where the table is written anew, which squawk says of more than is.
REWRITES = frozenset({"adding-field-with-default", "changing-column-type"})

# What is done under a strong lock -> how to do without, where no rule about the statement says it.
LONG_LOCK = "trellis-long-lock"
LONG_WORK: Mapping[Work, str] = {
    Work.SCAN: "Add the column alone, and its CHECK as a constraint NOT VALID; VALIDATE it in a later file.",
    Work.BUILD: "Build the index before, in a file of its own, with CREATE UNIQUE INDEX CONCURRENTLY; then add the"
    " constraint USING INDEX.",
    Work.REWRITE: "Add a column without a default, let a trigger or the app write it, fill the old rows in batches.",
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule of our own about one statement.

    pattern: met at the statement's start, whatever the letters' case; the statement has its comments and the inside of
        strings and parentheses blanked. About tables that the same files make, new and empty, it says nothing.
    unblanked: the pattern is met anywhere in the statement as it stands, whatever the statement concerns.
    """

    name: str
    severity: Severity
    pattern: re.Pattern[str]
    message: str
    advice: str
    unblanked: bool = False


_ALTER = rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?{NAME}\s"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.DOTALL)


RULES: tuple[Rule, ...] = (
    Rule(
        name="trellis-whole-table-update",
        severity=Severity.WARNING,
        pattern=_pattern(rf"UPDATE\s+(?:ONLY\s+)?{NAME}\s(?!.*\bWHERE\b)"),
        message="An UPDATE without WHERE locks every row until the file commits, and doubles the table on disk.",
        advice="Fill in batches from the app or a job, or say WHERE: rows that already hold the value need no update.",
    ),
    Rule(
        name="trellis-whole-table-delete",
        severity=Severity.ERROR,
        pattern=_pattern(rf"DELETE\s+FROM\s+(?:ONLY\s+)?{NAME}(?:\s|;|$)(?!.*\bWHERE\b)"),
        message="A DELETE without WHERE removes every row; only `trellis rescue` brings them back.",
        advice="Say which rows. Where all are meant: -- trellis-ignore trellis-whole-table-delete",
    ),
    Rule(
        name="trellis-truncate",
        severity=Severity.ERROR,
        pattern=_pattern(rf"TRUNCATE\s+(?:TABLE\s+)?(?:ONLY\s+)?{NAME}"),
        message="TRUNCATE removes every row and blocks readers; only `trellis rescue` brings them back.",
        advice="Where that is meant: -- trellis-ignore trellis-truncate",
    ),
    Rule(
        name="trellis-rewrite",
        severity=Severity.ERROR,
        pattern=_pattern(
            rf"(?:{_ALTER}.*\bSET\s+(?:TABLESPACE|LOGGED|UNLOGGED|ACCESS\s+METHOD)\b|CLUSTER\b|VACUUM\s+FULL\b)"
        ),
        message="The table is written anew under an ACCESS EXCLUSIVE lock: nobody reads or writes it meanwhile.",
        advice="Plan a maintenance window, or rewrite it online with pg_repack.",
    ),
    Rule(
        name="trellis-lock-table",
        severity=Severity.WARNING,
        pattern=_pattern(rf"LOCK\s+(?:TABLE\s+)?(?:ONLY\s+)?{NAME}"),
        message="An explicit lock is held until the file commits.",
        advice="Leave locking to the statements, or name the weakest mode that does and keep the file short.",
    ),
    Rule(
        name="trellis-refresh-blocks",
        severity=Severity.WARNING,
        pattern=_pattern(rf"REFRESH\s+MATERIALIZED\s+VIEW\s+(?!CONCURRENTLY\b){NAME}(?!.*\bWITH\s+NO\s+DATA\b)"),
        message="Nobody can read the materialized view until the refresh is done.",
        advice="REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index on it.",
    ),
    Rule(
        name="trellis-drop-cascade",
        severity=Severity.ERROR,
        pattern=_pattern(rf"(?:DROP\s|{_ALTER}.*\bDROP\s).*\bCASCADE\b"),
        message="CASCADE drops whatever depends on it, which this file does not name.",
        advice="Drop the dependent objects by name first; without CASCADE the server lists them.",
    ),
    Rule(
        name="trellis-password-in-file",
        severity=Severity.ERROR,
        pattern=_pattern(r"(?:CREATE|ALTER)\s+(?:ROLE|USER)\s.*\bPASSWORD\s+E?'(?!\$\{)"),
        message="The password stands in a file that everybody with the repository can read.",
        advice="Make users in the system file; the cloud gives them their passwords.",
        unblanked=True,
    ),
)
