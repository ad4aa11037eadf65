"""The objects of a schema, each with a name that stays when its definition changes."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from trellis.migrator.history import HISTORIES
from trellis.migrator.sql import quiet
from trellis.operations.check.shadow.entries import Entry
from trellis.operations.check.statements import split_at_commas

# pg_dump's kinds -> ours, where they differ by more than their letters' case.
_KINDS = {
    "ACL": "grants",
    "DEFAULT ACL": "default grants",
    "FK CONSTRAINT": "constraint",
    "CHECK CONSTRAINT": "constraint",
    "INDEX ATTACH": "index attachment",
    "TABLE ATTACH": "partition",
}
# Kinds that pg_dump names by their table and a space.
_OF_A_TABLE = frozenset({"CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT", "DEFAULT", "TRIGGER", "RULE", "POLICY"})
_WITH_COLUMNS = frozenset({"TABLE", "FOREIGN TABLE"})

_TABLE = re.compile(r"(?P<head>CREATE .*?) \(\n(?:(?P<columns>.*?)\n)?\)(?P<rest>.*)", re.DOTALL)
_COLUMN = re.compile(r'(?P<name>"(?:[^"]|"")+"|\S+)\s+(?P<definition>.*)', re.DOTALL)
_CONSTRAINT = re.compile(r'CONSTRAINT\s+(?P<name>"(?:[^"]|"")+"|\S+)\s', re.DOTALL)
_ADDED_CONSTRAINT = re.compile(r"ALTER TABLE .*?\n? +ADD (?P<definition>CONSTRAINT .*);", re.DOTALL)
_INDEXED = re.compile(r"\bON (?:ONLY )?(?P<table>\S+) USING ")


@dataclass(frozen=True, kw_only=True)
class SchemaObject:
    """An object of a schema.

    kind: in small letters, for example "table", "index", "grants". name: with its schema; a function's with the types
    of its arguments. table: the table it belongs to. columns: name -> type and the rest, of a table.
    definition: SQL that makes it; of a table, without its columns. owner: empty where pg_dump names none.
    """

    kind: str
    name: str
    definition: str
    owner: str = ""
    table: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


Key = tuple[str, str, str | None]


def objects(entries: Iterable[Entry]) -> Mapping[Key, SchemaObject]:
    """The objects of a dump; the migration history is none of them."""
    found: dict[Key, SchemaObject] = {}
    for entry in entries:
        if any(table in entry.name for table in HISTORIES):
            continue
        for one in _of(entry):
            key = (one.kind, one.name, one.table)
            if key in found:
                # Default grants of several roles have one name.
                lines = (*found[key].definition.splitlines(), *one.definition.splitlines())
                found[key] = replace(one, definition="\n".join(sorted(lines)))
            else:
                found[key] = one
    return found


def _of(entry: Entry) -> Iterator[SchemaObject]:
    kind = _KINDS.get(entry.kind, entry.kind.lower())
    prefix = f"{entry.schema}." if entry.schema not in ("", "-") else ""
    name, definition = f"{prefix}{entry.name}", entry.shown
    if entry.kind in _WITH_COLUMNS and (match := _TABLE.match(definition)):
        yield from _table(kind, name, entry.owner, match)
    elif entry.kind in _OF_A_TABLE:
        table, _, own = entry.name.partition(" ")
        added = _ADDED_CONSTRAINT.match(definition)
        definition = added["definition"] if added and kind == "constraint" else definition
        yield SchemaObject(kind=kind, name=own, table=f"{prefix}{table}", definition=definition)
    elif entry.kind == "INDEX":
        on = _INDEXED.search(definition)
        yield SchemaObject(kind=kind, name=name, table=on["table"] if on else None, definition=definition)
    elif entry.kind in ("ACL", "DEFAULT ACL"):
        # The order of grants is that in which they were given.
        ordered = "\n".join(sorted(definition.splitlines()))
        what, _, own = entry.name.removeprefix("DEFAULT PRIVILEGES ").partition(" ")
        yield SchemaObject(kind=kind, name=f"{what.lower()} {prefix}{own}", definition=ordered)
    elif entry.kind == "COMMENT":
        what, _, own = entry.name.partition(" ")
        yield SchemaObject(kind=kind, name=f"{what.lower()} {prefix}{own}", definition=definition)
    else:
        yield SchemaObject(kind=kind, name=name, definition=definition, owner=entry.owner)


def _table(kind: str, name: str, owner: str, match: re.Match[str]) -> Iterator[SchemaObject]:
    columns = {}
    listed = match["columns"] or ""
    for part in split_at_commas(listed, quiet(listed)):
        text = part.strip()
        if constraint := _CONSTRAINT.match(text):
            own = constraint["name"].strip('"')
            yield SchemaObject(kind="constraint", name=own, table=name, definition=text)
        elif column := _COLUMN.match(text):
            columns[column["name"]] = column["definition"]
    rest = f"{match['head']} (...){match['rest']}"
    yield SchemaObject(kind=kind, name=name, owner=owner, definition=rest, columns=columns)
