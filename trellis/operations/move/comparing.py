"""Whether both sides hold the same rows, as of one moment."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from trellis.migrator.history import identifier, literal
from trellis.operations.move import fences, matching
from trellis.operations.move.sides import Connection, Pair


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table's rows: how many, and a sum over the hash of each, which does not depend on their order."""

    name: str
    rows: int
    checksum: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A table that is not the same on both sides; None where it is not there."""

    name: str
    old: Table | None
    new: Table | None

    def __str__(self) -> str:
        old, new = (
            "no such table" if side is None else f"{side.rows} rows, checksum {side.checksum}"
            for side in (self.old, self.new)
        )
        return f"{self.name}: {old} on the old cluster; {new} on the new one"


class Snapshots:
    """Both sides as of one moment: nothing was on its way between them when it was taken."""

    def __init__(self, pair: Pair, old: Connection, new: Connection) -> None:
        self._pair = pair
        self._sides = (old, new)

    @classmethod
    @contextmanager
    def taken(cls, pair: Pair) -> Iterator["Snapshots"]:
        """Takes them now. Both sides are closed, and the last mark has arrived."""
        with ExitStack() as opened:
            sides = [opened.enter_context(side.connect()) for side in (pair.old, pair.new)]
            for side in sides:
                opened.enter_context(side.transaction())
                side.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                # The first statement takes it.
                side.execute("SELECT FROM pg_catalog.pg_class LIMIT 1")
            yield cls(pair, *sides)

    def differences(self) -> tuple[Sequence[Difference], int, int]:
        """What differs, and how many tables and rows were compared. Reads every row of both sides."""
        shared = matching.shared(*self._sides) if self._pair.foreign else None
        with ThreadPoolExecutor(len(self._sides)) as pool:
            sides = pool.map(lambda side: summed(side, shared), self._sides)
            old, new = ({table.name: table for table in side} for side in sides)
        found = [
            Difference(name=name, old=old.get(name), new=new.get(name))
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        ]
        return found, len(old), sum(table.rows for table in old.values())


def summed(connection: Connection, tables: Mapping[str, Sequence[str]] | None = None) -> list[Table]:
    """Every table with its rows counted and summed, as of the transaction's snapshot.

    tables: of these alone, each with the columns that count.
    """
    found = []
    for name, columns in (_whole(connection) if tables is None else tables).items():
        row = ", ".join(map(identifier, columns))
        ((rows, checksum),) = connection.execute(
            "SELECT count(*), coalesce(sum(pg_catalog.hashtextextended(ROW("  # noqa: S608
            f"{row})::text, 0)), 0)::text FROM {name}".encode()
        ).fetchall()
        found.append(Table(name=name, rows=rows, checksum=checksum))
    return found


def sums(connection: Connection) -> dict[str, tuple[int, str]]:
    """The same as table -> rows and checksum."""
    return {table.name: (table.rows, table.checksum) for table in summed(connection)}


def _whole(connection: Connection) -> Mapping[str, Sequence[str]]:
    """Every table with its columns."""
    found = {}
    for name in fences.tables(connection, whole=True):
        # By name: a column that was dropped and made anew stands elsewhere on the other side.
        columns = connection.execute(
            "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = %s::pg_catalog.regclass AND attnum > 0"
            " AND NOT attisdropped ORDER BY attname",
            (name,),
        ).fetchall()
        found[name] = [column for (column,) in columns]
    return found


@dataclass(frozen=True, kw_only=True)
class Counter:
    """A sequence of the application. last: None where it has given no value. column: the one it belongs to, if any."""

    name: str
    last: int | None
    step: int
    table: str | None
    column: str | None

    @property
    def known_as(self) -> str:
        """What it is on the other side, where it may have another name."""
        return f"{self.table}.{self.column}" if self.table else self.name


def sequences(side: Connection) -> list[Counter]:
    """Every sequence of the application."""
    found = side.execute(
        "SELECT n.nspname, c.relname, pg_catalog.pg_sequence_last_value(c.oid), s.seqincrement, o.nspname, t.relname,"
        " a.attname FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN (pg_catalog.pg_depend d"
        " JOIN pg_catalog.pg_class t ON t.oid = d.refobjid JOIN pg_catalog.pg_namespace o ON o.oid = t.relnamespace"
        " JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid)"
        " ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')"
        " AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0"
        " WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence = 'p'"
        " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid ="
        " 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid AND e.deptype = 'e') ORDER BY 1, 2"
    ).fetchall()
    return [
        Counter(
            name=f"{identifier(schema)}.{identifier(name)}",
            last=last,
            step=step,
            table=f"{identifier(owner)}.{identifier(table)}" if table else None,
            column=column,
        )
        for schema, name, last, step, owner, table, column in found
    ]


def carry_sequences(source: Connection, target: Connection) -> int:
    """Sets the target's sequences to the source's, none back; gives how many the source has.

    One that the source does not have, because something else gives a column its values there, goes behind the
    largest of them.
    """
    found = {one.known_as: one for one in sequences(source)}
    wanted = []
    for one in sequences(target):
        last = found[one.known_as].last if one.known_as in found else _furthest(target, one)
        if last is not None and _is_ahead(last, one):
            wanted.append(f"pg_catalog.setval({literal(one.name)}, {last})")
    if wanted:
        target.execute(f"SELECT {', '.join(wanted)}".encode())
    return len(found)


def _furthest(side: Connection, sequence: Counter) -> int | None:
    if sequence.table is None or sequence.column is None:
        return None
    which = "max" if sequence.step > 0 else "min"
    ((value,),) = side.execute(
        f"SELECT {which}({identifier(sequence.column)})::int8 FROM {sequence.table}".encode()  # noqa: S608
    ).fetchall()
    return None if value is None else int(value)


def _is_ahead(last: int, there: Counter) -> bool:
    return there.last is None or (last > there.last if there.step > 0 else last < there.last)


def refresh_views(side: Connection) -> int:
    """Fills the materialized views, which no stream does; gives how many there are."""
    listed = (
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
        " ON n.oid = c.relnamespace WHERE c.relkind = 'm' AND n.nspname !~ '^pg_' ORDER BY c.oid"
    )
    found = side.execute(listed.encode()).fetchall()
    # In the order in which they were made: one that reads another comes after it.
    for schema, name in found:
        side.execute(f"REFRESH MATERIALIZED VIEW {identifier(schema)}.{identifier(name)}".encode())
    return len(found)
