"""What migrations change in a schema."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from trellis.operations.check.shadow.entries import Entry
from trellis.operations.check.shadow.objects import SchemaObject, objects


class How(StrEnum):
    """What became of an object or a column."""

    ADDED = "added"
    DROPPED = "dropped"
    CHANGED = "changed"


@dataclass(frozen=True, kw_only=True)
class ColumnChange:
    """A column of a table that stays. before, after: its type and the rest as SQL; None where there is none."""

    change: How
    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True)
class Change:
    """An object that is there only before or only after, or differs.

    kind, name, table: as in `SchemaObject`. columns: those of a table that are added, dropped or changed.
    before, after: its definition, columns left out; None where there is none. owner: before and after, if they differ.
    """

    change: How
    kind: str
    name: str
    table: str | None = None
    columns: tuple[ColumnChange, ...] = ()
    before: str | None = None
    after: str | None = None
    owner: tuple[str, str] | None = None

    @property
    def diff(self) -> tuple[str, ...]:
        """A unified diff of the definition, without the lines that name files; empty where it stays."""
        before, after = (self.before or "").splitlines(), (self.after or "").splitlines()
        return tuple(difflib.unified_diff(before, after, lineterm="", n=2))[2:]

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON, the definitions as a diff."""
        values = asdict(self) | {"diff": list(self.diff)}
        del values["before"], values["after"]
        return values


def changes(before: Iterable[Entry], after: Iterable[Entry]) -> tuple[Change, ...]:
    """What differs between two schemas: tables with what belongs to them first, then the rest by kind and name."""
    old, new = objects(before), objects(after)
    found = (_change(old.get(key), new.get(key)) for key in old.keys() | new.keys())
    return tuple(sorted(filter(None, found), key=_order))


def _order(one: Change) -> tuple[object, ...]:
    table = one.name if one.kind == "table" else one.table
    return (table is None, table or "", one.kind != "table", one.kind, one.name)


def _change(old: SchemaObject | None, new: SchemaObject | None) -> Change | None:
    one = new or old
    if one is None or old == new:
        return None
    columns = tuple(_columns(old.columns if old else {}, new.columns if new else {}))
    owners = (old.owner, new.owner) if old and new and old.owner != new.owner else None
    return Change(
        change=How.CHANGED if old and new else How.ADDED if new else How.DROPPED,
        kind=one.kind,
        name=one.name,
        table=one.table,
        columns=columns,
        before=old.definition if old else None,
        after=new.definition if new else None,
        owner=owners,
    )


def _columns(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[ColumnChange]:
    for name in [*new, *(name for name in old if name not in new)]:
        before, after = old.get(name), new.get(name)
        if before != after:
            change = How.CHANGED if before and after else How.ADDED if after else How.DROPPED
            yield ColumnChange(change=change, name=name, before=before, after=after)
