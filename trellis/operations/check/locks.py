"""What a statement locks of what is there already, and how long: the work it does under that lock.

From PostgreSQL 17's manual ("Explicit Locking", ALTER TABLE and the page of each statement);
tests/operations/test_check_locks.py asks servers of 15, 16 and 17 for each.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

from trellis.migrator.sql import Statement
from trellis.operations.check.statements import NAME, Checked, same_name, split_at_commas


class Level(IntEnum):
    """A table's lock, weaker ones first. Its name is PostgreSQL's, with spaces for underscores."""

    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

    def __str__(self) -> str:
        return self.name.replace("_", " ")


HOLDS_UP = {
    Level.ROW_EXCLUSIVE: "schema changes",
    Level.SHARE_UPDATE_EXCLUSIVE: "schema changes",
    Level.SHARE: "writers",
    Level.SHARE_ROW_EXCLUSIVE: "writers",
    Level.EXCLUSIVE: "writers",
    Level.ACCESS_EXCLUSIVE: "readers and writers",
}


class Work(StrEnum):
    """What is done while the lock is held, shorter work first."""

    INSTANT = "an instant"
    ROWS = "as long as its rows take"
    SCAN = "reads the whole table"
    BUILD = "reads the whole table and builds an index"
    REWRITE = "writes the whole table anew"


_ORDER = tuple(Work)


@dataclass(frozen=True, kw_only=True)
class Risk:
    """What one statement locks.

    statement: its beginning as it stands in the file. relation: the table, view or index; None where the statement does
    not name it. lock: None where it is not known, because the body of a function or DO block is not looked into.
    """

    file: str
    line: int
    column: int
    statement: str
    relation: str | None
    lock: Level | None
    work: Work | None

    @property
    def holds_up(self) -> str | None:
        """Who waits meanwhile."""
        return None if self.lock is None else HOLDS_UP[self.lock]

    def __str__(self) -> str:
        if self.lock is None:
            return f"{self.statement}: not known, what it runs is not looked into"
        return f"{self.statement}: {self.lock}, {self.work}"

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON."""
        return asdict(self) | {"lock": str(self.lock) if self.lock else None, "holds_up": self.holds_up}


@dataclass(frozen=True)
class Row:
    """Statements, or actions of ALTER TABLE, that meet a pattern at their start. A group `table` names the relation."""

    pattern: re.Pattern[str]
    lock: Level | None
    work: Work | None


def _row(pattern: str, lock: Level | None, work: Work | None) -> Row:
    return Row(re.compile(pattern, re.IGNORECASE | re.DOTALL), lock, work)


_CONSTRAINT = r"ADD\s+(?:CONSTRAINT\s+\S+\s+)?"
_COLUMN = rf"ADD\s+(?:COLUMN\s+)?(?!CONSTRAINT\b){NAME}\s.*"
_ALTER_COLUMN = rf"ALTER\s+(?:COLUMN\s+)?{NAME}\s+"

_OTHER_TYPE = _row(rf"{_ALTER_COLUMN}(?:SET\s+DATA\s+)?TYPE\b", Level.ACCESS_EXCLUSIVE, Work.REWRITE)
_USING = re.compile(r"\bUSING\b", re.IGNORECASE)
_FURTHER = re.compile(rf"\s*\*?\s*,\s*(?:ONLY\s+)?{NAME}", re.IGNORECASE)

# Of an action in an ALTER TABLE the first that fits; what parentheses and strings hold is blanked.
ACTIONS = (
    _row(rf"{_CONSTRAINT}(?:UNIQUE|PRIMARY\s+KEY)\s+USING\s+INDEX\b", Level.ACCESS_EXCLUSIVE, Work.INSTANT),
    _row(rf"{_CONSTRAINT}FOREIGN\s+KEY\b.*\bNOT\s+VALID\b", Level.SHARE_ROW_EXCLUSIVE, Work.INSTANT),
    _row(rf"{_CONSTRAINT}FOREIGN\s+KEY\b", Level.SHARE_ROW_EXCLUSIVE, Work.SCAN),
    _row(rf"{_CONSTRAINT}CHECK\b.*\bNOT\s+VALID\b", Level.ACCESS_EXCLUSIVE, Work.INSTANT),
    _row(rf"{_CONSTRAINT}CHECK\b", Level.ACCESS_EXCLUSIVE, Work.SCAN),
    _row(rf"{_CONSTRAINT}(?:UNIQUE|PRIMARY\s+KEY|EXCLUDE)\b", Level.ACCESS_EXCLUSIVE, Work.BUILD),
    _row(rf"{_COLUMN}\bGENERATED\b.*\b(?:STORED|IDENTITY)\b", Level.ACCESS_EXCLUSIVE, Work.REWRITE),
    _row(rf"{_COLUMN}\b(?:big|small)?serial[248]?\b", Level.ACCESS_EXCLUSIVE, Work.REWRITE),
    _row(rf"{_COLUMN}\b(?:UNIQUE|PRIMARY\s+KEY)\b", Level.ACCESS_EXCLUSIVE, Work.BUILD),
    _row(rf"{_COLUMN}\bCHECK\b", Level.ACCESS_EXCLUSIVE, Work.SCAN),
    _row(r"VALIDATE\s+CONSTRAINT\b", Level.SHARE_UPDATE_EXCLUSIVE, Work.SCAN),
    _OTHER_TYPE,
    _row(rf"{_ALTER_COLUMN}SET\s+EXPRESSION\b", Level.ACCESS_EXCLUSIVE, Work.REWRITE),
    _row(rf"{_ALTER_COLUMN}SET\s+NOT\s+NULL\b", Level.ACCESS_EXCLUSIVE, Work.SCAN),
    _row(rf"{_ALTER_COLUMN}(?:SET\s+STATISTICS\b|SET\s*$|RESET\b)", Level.SHARE_UPDATE_EXCLUSIVE, Work.INSTANT),
    _row(r"SET\s+(?:LOGGED|UNLOGGED|TABLESPACE|ACCESS\s+METHOD)\b", Level.ACCESS_EXCLUSIVE, Work.REWRITE),
    _row(r"(?:SET\s*$|RESET\b|CLUSTER\s+ON\b|SET\s+WITHOUT\s+CLUSTER\b)", Level.SHARE_UPDATE_EXCLUSIVE, Work.INSTANT),
    _row(r"(?:ENABLE|DISABLE)\s+(?:REPLICA\s+|ALWAYS\s+)?TRIGGER\b", Level.SHARE_ROW_EXCLUSIVE, Work.INSTANT),
    _row(r"ATTACH\s+PARTITION\b", Level.SHARE_UPDATE_EXCLUSIVE, Work.SCAN),
    _row(r"DETACH\s+PARTITION\b.*\b(?:CONCURRENTLY|FINALIZE)\b", Level.SHARE_UPDATE_EXCLUSIVE, Work.INSTANT),
    # Renaming, dropping, defaults, owners, rules, row security, inheritance, storage.
    _row(r"", Level.ACCESS_EXCLUSIVE, Work.INSTANT),
)

_IF = r"(?:IF\s+(?:NOT\s+)?EXISTS\s+)?"
ALTER_TABLE = re.compile(
    rf"ALTER\s+(?:FOREIGN\s+)?TABLE\s+{_IF}(?:ONLY\s+)?{NAME}(?:\s*\*)?\s+(?P<actions>.*)", re.IGNORECASE | re.DOTALL
)

# Of every other statement the first that fits; none of them where nothing is locked that others wait for.
STATEMENTS = (
    _row(
        rf"CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\b.*?\bON\s+(?:ONLY\s+)?{NAME}",
        Level.SHARE_UPDATE_EXCLUSIVE,
        Work.BUILD,
    ),
    _row(rf"CREATE\s+(?:UNIQUE\s+)?INDEX\b.*?\bON\s+(?:ONLY\s+)?{NAME}", Level.SHARE, Work.BUILD),
    _row(rf"DROP\s+INDEX\s+CONCURRENTLY\s+{_IF}{NAME}", Level.SHARE_UPDATE_EXCLUSIVE, Work.INSTANT),
    _row(rf"REINDEX\s+(?:\w+\s+)?CONCURRENTLY\s+{NAME}", Level.SHARE_UPDATE_EXCLUSIVE, Work.BUILD),
    _row(rf"REINDEX\s+\w+\s+{NAME}", Level.SHARE, Work.BUILD),
    _row(
        rf"CREATE\s+(?:OR\s+REPLACE\s+)?(?:CONSTRAINT\s+)?TRIGGER\b.*?\sON\s+{NAME}",
        Level.SHARE_ROW_EXCLUSIVE,
        Work.INSTANT,
    ),
    _row(rf"CREATE\s+STATISTICS\b.*\bFROM\s+{NAME}", Level.SHARE_UPDATE_EXCLUSIVE, Work.INSTANT),
    _row(rf"(?:CREATE|ALTER|DROP)\s+POLICY\b.*?\bON\s+{NAME}", Level.ACCESS_EXCLUSIVE, Work.INSTANT),
    _row(rf"CREATE\s+(?:OR\s+REPLACE\s+)?RULE\b.*?\bTO\s+{NAME}", Level.ACCESS_EXCLUSIVE, Work.INSTANT),
    _row(rf"(?:ALTER|DROP)\s+(?:TRIGGER|RULE)\b.*?\bON\s+{NAME}", Level.ACCESS_EXCLUSIVE, Work.INSTANT),
    _row(rf"CREATE\s+OR\s+REPLACE\s+VIEW\s+{NAME}", Level.ACCESS_EXCLUSIVE, Work.INSTANT),
    _row(rf"ALTER\s+INDEX\s+{_IF}{NAME}\s+(?:RENAME\b|RESET\b|SET\s*;?$)", Level.SHARE_UPDATE_EXCLUSIVE, Work.INSTANT),
    _row(rf"ALTER\s+(?:INDEX|(?:MATERIALIZED\s+)?VIEW)\s+{_IF}{NAME}", Level.ACCESS_EXCLUSIVE, Work.INSTANT),
    _row(
        rf"DROP\s+(?:(?:FOREIGN\s+)?TABLE|INDEX|(?:MATERIALIZED\s+)?VIEW)\s+{_IF}{NAME}",
        Level.ACCESS_EXCLUSIVE,
        Work.INSTANT,
    ),
    _row(rf"TRUNCATE\s+(?:TABLE\s+)?(?:ONLY\s+)?{NAME}", Level.ACCESS_EXCLUSIVE, Work.INSTANT),
    _row(rf"COMMENT\s+ON\s+(?:TABLE|VIEW)\s+{NAME}", Level.SHARE_UPDATE_EXCLUSIVE, Work.INSTANT),
    _row(rf"COMMENT\s+ON\s+COLUMN\s+{NAME}\s*\.[^.]*\bIS\b", Level.SHARE_UPDATE_EXCLUSIVE, Work.INSTANT),
    _row(rf"REFRESH\s+MATERIALIZED\s+VIEW\s+CONCURRENTLY\s+{NAME}", Level.EXCLUSIVE, Work.ROWS),
    _row(rf"REFRESH\s+MATERIALIZED\s+VIEW\s+{NAME}", Level.ACCESS_EXCLUSIVE, Work.REWRITE),
    _row(rf"CLUSTER\s+(?:VERBOSE\s+)?{NAME}", Level.ACCESS_EXCLUSIVE, Work.REWRITE),
    _row(rf"VACUUM\s+FULL\s+(?:\w+\s+)*?{NAME}", Level.ACCESS_EXCLUSIVE, Work.REWRITE),
    _row(rf"VACUUM\s+(?:\w+\s+)*?{NAME}\s*;?$", Level.SHARE_UPDATE_EXCLUSIVE, Work.SCAN),
    # It reads a sample, of a large table as of a small one.
    _row(rf"ANALYZE\s+(?:VERBOSE\s+)?{NAME}", Level.SHARE_UPDATE_EXCLUSIVE, Work.INSTANT),
    *(
        _row(
            rf"LOCK\s+(?:TABLE\s+)?(?:ONLY\s+)?{NAME}.*\bIN\s+{str(level).replace(' ', chr(92) + 's+')}\s+MODE",
            level,
            Work.INSTANT,
        )
        for level in reversed(Level)
    ),
    _row(rf"LOCK\s+(?:TABLE\s+)?(?:ONLY\s+)?{NAME}(?!.*\bIN\b)", Level.ACCESS_EXCLUSIVE, Work.INSTANT),
    _row(
        rf"(?:INSERT\s+INTO|UPDATE(?:\s+ONLY)?|DELETE\s+FROM(?:\s+ONLY)?|MERGE\s+INTO)\s+{NAME}",
        Level.ROW_EXCLUSIVE,
        Work.ROWS,
    ),
    _row(r"(?:DO|CALL)\b", None, None),
)

_ADDED_DEFAULT = re.compile(rf"{_COLUMN[:-2]}.*?\bDEFAULT\b(?P<default>.*)", re.IGNORECASE | re.DOTALL)
_AFTER_DEFAULT = re.compile(
    r"\b(?:NOT\s+NULL|CHECK|REFERENCES|CONSTRAINT|COLLATE|UNIQUE|PRIMARY)\b.*", re.IGNORECASE | re.DOTALL
)
# A type with its length, as in '{}'::varchar(20), looks like one too.
_FUNCTION = re.compile(r"(?<!::)(?<!:: )\b([a-z_][\w$]*)\s*\(", re.IGNORECASE)
# The same for every row, so that one value stands for all that are there. Of others nobody knows without the server.
_STABLE = frozenset(
    "now current_timestamp current_time localtimestamp localtime"
    " transaction_timestamp statement_timestamp current_setting date_trunc date_part extract timezone make_interval"
    " make_date lower upper md5 length coalesce nullif greatest least concat format to_char to_date to_timestamp"
    " to_jsonb jsonb_build_object jsonb_build_array json_build_object json_build_array array_length cast abs round"
    " floor ceil in and or not interval numeric varchar char".split()
)
_LONGEST_STATEMENT = 100


def risks(checked: Checked, new: frozenset[str], widened: frozenset[tuple[str, str]] = frozenset()) -> Iterator[Risk]:
    """What each statement of a migration locks of what is there already.

    new: what these files make, as `Checked.new_tables` names it: nobody waits for one. widened: tables, likewise, and
    columns whose new type holds all that the old one held, as it is stored.
    """
    for statement in checked.statements:
        found = _of(checked, statement, widened)
        old = [name for name in found.names if same_name(name) not in new] if found else []
        if found is None or (found.names and not old):
            continue
        line, column = checked.script.place(statement.start)
        words = " ".join(checked.source(statement).rstrip("; \t\r\n").split())
        short = words if len(words) <= _LONGEST_STATEMENT else words[: _LONGEST_STATEMENT - 3] + "..."
        yield Risk(
            file=checked.path,
            line=line,
            column=column,
            statement=short,
            relation=old[0] if old else None,
            lock=found.lock,
            work=found.work,
        )


def only_new(checked: Checked, statement: Statement, new: frozenset[str]) -> bool:
    """Whether all that a statement works on is new. new: as for `risks`."""
    found = _of(checked, statement)
    return found is not None and bool(found.names) and all(same_name(name) in new for name in found.names)


class _Locked(NamedTuple):
    """What a statement locks. names: the relations; none where it does not name them."""

    names: Sequence[str]
    lock: Level | None
    work: Work | None


def _of(checked: Checked, statement: Statement, widened: frozenset[tuple[str, str]] = frozenset()) -> _Locked | None:
    bare = checked.bare(statement)
    if altered := ALTER_TABLE.match(bare):
        quiet = checked.quiet(statement)[altered.start("actions") :]
        columns = frozenset(column for table, column in widened if table == same_name(altered["table"]))
        rows = _actions(altered["actions"], quiet, columns)
        worst = max((row.work for row in rows if row.work), key=_ORDER.index)
        return _Locked([altered["table"]], max(row.lock for row in rows if row.lock), worst)
    for row in STATEMENTS:
        if match := row.pattern.match(bare):
            return _Locked(_names(bare, match), row.lock, row.work)
    return None


def _names(bare: str, match: re.Match[str]) -> Sequence[str]:
    """The relations of a list that begins with the one of a match."""
    if "table" not in match.re.groupindex:
        return []
    names, end = [match["table"]], match.end("table")
    while further := _FURTHER.match(bare, end):
        names.append(further["table"])
        end = further.end()
    return names


def _actions(bare: str, quiet: str, widened: frozenset[str]) -> Sequence[Row]:
    rows = []
    start = 0
    for action in split_at_commas(bare, bare):
        text = action.strip().rstrip(";").strip()
        row, match = next((row, match) for row in ACTIONS if (match := row.pattern.match(text)))
        if row is _OTHER_TYPE and same_name(match["table"]) in widened and not _USING.search(text):
            row = Row(row.pattern, row.lock, Work.INSTANT)
        if row.work is Work.INSTANT and _fills_each_row(quiet[start : start + len(action)].strip()):
            row = Row(row.pattern, row.lock, Work.REWRITE)
        rows.append(row)
        start += len(action) + 1
    return rows


def _fills_each_row(action: str) -> bool:
    """Whether an ADD COLUMN has a default that may be another one for each row."""
    match = _ADDED_DEFAULT.match(action)
    if match is None:
        return False
    expression = _AFTER_DEFAULT.sub("", match["default"])
    return any(function.lower() not in _STABLE for function in _FUNCTION.findall(expression))
