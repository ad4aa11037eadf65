"""Changes of the schema that break the running version of an app, found in what a shadow run left.

The statements themselves do not tell: CASCADE, a DO block or a replaced function takes away what no line names.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from trellis.migrator.sql import Statement
from trellis.operations.check.findings import Finding, Severity
from trellis.operations.check.shadow.changes import Change, How
from trellis.operations.check.shadow.entries import quoted
from trellis.operations.check.statements import Checked


@dataclass(frozen=True, kw_only=True)
class Break:
    """A way to break the running version.

    message: about {what}, with {was} and {now}. advice: the order of steps that breaks nobody.
    covered: rules that, met by the same statement, say it already.
    """

    rule: str
    message: str
    advice: str
    covered: frozenset[str] = frozenset()


GONE = Break(
    rule="trellis-gone",
    message="{what} is gone, and the running version may still use it.",
    advice="1. Deploy a version that no longer uses it. 2. Drop it in a later file, and say so there: -- trellis-ignore"
    " trellis-gone",
    covered=frozenset({"ban-drop-column", "ban-drop-table", "renaming-column", "renaming-table"}),
)
OTHER_TYPE = Break(
    rule="trellis-other-type",
    message="{what} was {was} and is {now}: the running version may read or write it as it was.",
    advice="1. Add a column of the new type, and let a trigger or the app write both. 2. Copy the old rows in batches."
    " 3. Deploy a version that uses only the new one. 4. Drop the old one in a later file.",
    covered=frozenset({"changing-column-type"}),
)
OTHER_SIGNATURE = Break(
    rule="trellis-other-signature",
    message="{what} was {was} and is {now}: calls of the running version find no such function any more.",
    advice="1. Make the new function beside the old one, under another name where the arguments are the same."
    " 2. Deploy a version that calls only the new one. 3. Drop the old one in a later file.",
)
NOW_REQUIRED = Break(
    rule="trellis-now-required",
    message="{what} must not be NULL any more: INSERTs of the running version that leave it out fail.",
    advice="1. Give it a default, or deploy a version that always writes it. 2. Fill the old rows in batches."
    " 3. In later files: ADD CHECK (column IS NOT NULL) NOT VALID, VALIDATE it, SET NOT NULL.",
    covered=frozenset({"adding-not-nullable-field", "adding-required-field"}),
)
DEFAULT_GONE = Break(
    rule="trellis-default-gone",
    message="{what} had the default {was} and has none: INSERTs of the running version that leave it out get NULL or"
    " fail.",
    advice="1. Deploy a version that always writes it. 2. Drop the default in a later file.",
)
REVOKED = Break(
    rule="trellis-revoked",
    message="{what}: {was} may do it no more, and the running version may need to.",
    advice="1. Deploy a version that does without, or that logs in as another role. 2. Revoke in a later file.",
)
ROW_SECURITY = Break(
    rule="trellis-row-security",
    message="{what} has row security now: whoever does not own it sees only the rows that a policy admits.",
    advice="1. Make the policies in the same file, above this statement. 2. Try the running version's role against"
    " them.",
)
BREAKS = (GONE, OTHER_TYPE, OTHER_SIGNATURE, NOW_REQUIRED, DEFAULT_GONE, REVOKED, ROW_SECURITY)

# What an app names in its queries. An index, a trigger or a comment it does not.
_USED = frozenset(
    "table|foreign table|view|materialized view|function|procedure|aggregate|type|domain|sequence|schema".split("|")
)
_ROUTINES = frozenset({"function", "procedure", "aggregate"})

_COLUMN = re.compile(
    r"(?P<type>.*?)(?: COLLATE \S+)?(?: DEFAULT (?P<default>.*?)| GENERATED (?P<generated>.*?))?"
    r"(?P<required> NOT NULL)?",
    re.DOTALL,
)
# Types of which a wider one is stored alike; PostgreSQL 9.2's release notes list them.
_WIDTH = re.compile(
    r"(?P<type>text|bit varying|numeric|interval|timestamp)(?:\((?P<width>\d+)(?:,(?P<scale>-?\d+))?\))?"
    r"(?P<rest>| with time zone| without time zone)"
)
_RETURNS = re.compile(r"\) RETURNS (.*)")
_LABEL = re.compile(r"^ {4}('(?:[^']|'')*'),?$", re.MULTILINE)
_GRANT = re.compile(r"GRANT (?P<what>.*) ON .* TO (?P<role>.*);")
_One = TypeVar("_One")


@dataclass(frozen=True)
class Met:
    """A break that a change is. names: what a statement that makes it mentions. was, now: see `Break.message`."""

    kind: Break
    what: str
    names: tuple[str, ...]
    was: str = ""
    now: str = ""


def breaking(
    changes: Sequence[Change], checked: Sequence[Checked], found: Sequence[Finding], folder: Path
) -> Iterator[Finding]:
    """What breaks the running version and no finding says yet, at the last statement that speaks of it.

    checked: the files that were reviewed, in order. folder: named where no statement, or one of several, speaks of it.
    """
    for met in _met(changes):
        place = _place(met, checked)
        said = met.kind.covered | {met.kind.rule}
        if place is None:
            ignored = {rule for file in checked for one in file.statements for rule in file.ignored(one)}
            if met.kind.rule not in ignored:
                yield _finding(met, checked[0].path if len(checked) == 1 else str(folder), None, None)
            continue
        file, statement = place
        line, column = file.script.place(statement.start)
        last = file.script.place(statement.end - 1)[0]
        lines = range(line, last + 1)
        told = any(one.file == file.path and one.line in lines and one.rule in met.kind.covered for one in found)
        if not told and not said & file.ignored(statement):
            yield _finding(met, file.path, line, column)


def _finding(met: Met, file: str, line: int | None, column: int | None) -> Finding:
    return Finding(
        file=file,
        line=line,
        column=column,
        rule=met.kind.rule,
        severity=Severity.ERROR,
        message=met.kind.message.format(what=met.what, was=met.was, now=met.now),
        advice=met.kind.advice,
    )


def _place(met: Met, checked: Sequence[Checked]) -> tuple[Checked, Statement] | None:
    patterns = [re.compile(rf"(?<![\w$]){re.escape(name)}(?![\w$])", re.IGNORECASE) for name in met.names]
    for file in reversed(checked):
        for statement in reversed(file.statements):
            text = file.text[statement.start : statement.end]
            if all(pattern.search(text) for pattern in patterns):
                return file, statement
    return None


def _met(changes: Sequence[Change]) -> Iterator[Met]:
    named = {(one.kind, one.name): one for one in changes}
    added = [one for one in changes if one.change is How.ADDED]
    for one in changes:
        what = f"{one.kind.capitalize()} {one.name}"
        own = _bare(one.name)
        if one.change is How.DROPPED and one.kind in _USED:
            now = next((other for other in added if other.kind == one.kind and _bare(other.name) == own), None)
            if one.kind in _ROUTINES and now is not None:
                yield Met(OTHER_SIGNATURE, f"{one.kind.capitalize()} {own}", (own,), one.name, now.name)
            elif ("sequence owned by", one.name) not in named:
                yield Met(GONE, what, (own,))
        elif one.change is How.CHANGED and one.kind in _ROUTINES:
            was, now_returned = (_RETURNS.search(text or "") for text in (one.before, one.after))
            if was and now_returned and was[1] != now_returned[1]:
                yield Met(OTHER_SIGNATURE, what, (own,), f"RETURNS {was[1]}", f"RETURNS {now_returned[1]}")
        elif one.change is How.CHANGED and one.kind == "type":
            for label in _lost(_LABEL.findall(one.before or ""), _LABEL.findall(one.after or "")):
                yield Met(GONE, f"The value {label} of type {one.name}", (own,))
        elif one.kind == "grants":
            yield from _revoked(one, own, named)
        elif one.kind == "row security" and one.change is How.ADDED and _stays(one.name, named):
            yield Met(ROW_SECURITY, f"Table {one.name}", (own,))
        elif one.kind == "default" and one.change is How.DROPPED and _stays(one.table or "", named, own):
            yield Met(DEFAULT_GONE, f"Column {own} of {one.table}", (_bare(one.table or ""), own), "of a sequence")
        if one.change is How.CHANGED:
            yield from _columns(one, named)


def _columns(table: Change, named: Mapping[tuple[str, str], Change]) -> Iterator[Met]:
    for column in table.columns:
        own = column.name.strip('"')
        what, names = f"Column {column.name} of {table.name}", (_bare(table.name), own)
        before, after = (_COLUMN.fullmatch(text or "") for text in (column.before, column.after))
        if column.change is How.DROPPED:
            yield Met(GONE, what, names)
        elif before is not None and after is not None:
            filled = after["default"] or after["generated"] or ("default", own) in named
            other = column.change is How.CHANGED and before["type"] != after["type"]
            if other and not _holds_all(before["type"], after["type"]):
                yield Met(OTHER_TYPE, what, names, before["type"], after["type"])
            if after["required"] and not before["required"] and not filled:
                yield Met(NOW_REQUIRED, what, names)
            if before["default"] and not filled:
                yield Met(DEFAULT_GONE, what, names, before["default"])


def widened(changes: Sequence[Change], default: str) -> frozenset[tuple[str, str]]:
    """Columns that hold more than before, and their tables: with their schema, and without it in the default one."""
    return frozenset(
        (name, column.name)
        for one in changes
        for column in one.columns
        if column.change is How.CHANGED
        and (before := _COLUMN.fullmatch(column.before or ""))
        and (after := _COLUMN.fullmatch(column.after or ""))
        and _holds_all(before["type"], after["type"])
        for name in sql_names(one.name, default)
    )


def sql_names(name: str, default: str) -> frozenset[str]:
    """A relation of a dump as SQL may name it: without its schema too in the default one."""
    schema, _, own = name.partition(".")
    return frozenset({f"{quoted(schema)}.{quoted(own)}", *((quoted(own),) if schema == default else ())})


def _holds_all(before: str, after: str) -> bool:
    """Whether a type takes every value of another one as it is stored, so that a table need not be written anew."""
    old, new = (_WIDTH.fullmatch(one.replace("character varying", "text")) for one in (before, after))
    if old is None or new is None or (old["type"], old["rest"]) != (new["type"], new["rest"]):
        return False
    if old["width"] is None or new["width"] is None:
        return new["width"] is None
    return int(new["width"]) >= int(old["width"]) and old["scale"] == new["scale"]


def _revoked(one: Change, own: str, named: Mapping[tuple[str, str], Change]) -> Iterator[Met]:
    """Grants that are gone from what is still there."""
    kind, _, name = one.name.partition(" ")
    gone = [other for other in named.values() if other.name == name and other.change is How.DROPPED]
    if gone or kind == "column":
        return
    for what, role in _lost(_grants(one.before), _grants(one.after)):
        yield Met(REVOKED, f"{what} on {kind} {name}", (own,), role)


def _grants(text: str | None) -> list[tuple[str, str]]:
    found = (_GRANT.fullmatch(line) for line in (text or "").splitlines())
    return [(what, match["role"]) for match in found if match for what in match["what"].split(",")]


def _stays(table: str, named: Mapping[tuple[str, str], Change], column: str | None = None) -> bool:
    """Whether a table, or a column of one, is there before and after."""
    change = named.get(("table", table))
    if change is None:
        return True
    dropped = {one.name.strip('"') for one in change.columns if one.change is How.DROPPED}
    return change.change is How.CHANGED and column not in dropped


def _lost(before: Sequence[_One], after: Sequence[_One]) -> list[_One]:
    return [one for one in before if one not in after]


def _bare(name: str) -> str:
    """The name alone, without its schema and a function's arguments."""
    return name.partition("(")[0].rpartition(".")[2].strip('"')
