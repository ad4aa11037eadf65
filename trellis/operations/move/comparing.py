"""Whether both sides hold the same rows, as of one moment."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from trellis.migrator.history import identifier, literal
from trellis.operations.move import fences
from trellis.operations.move.sides import Connection, Pair, Side


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
        with ThreadPoolExecutor(len(self._sides)) as pool:
            old, new = ({table.name: table for table in side} for side in pool.map(summed, self._sides))
        found = [
            Difference(name=name, old=old.get(name), new=new.get(name))
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        ]
        return found, len(old), sum(table.rows for table in old.values())


def summed(connection: Connection) -> list[Table]:
    """Every table with its rows counted and summed, as of the transaction's snapshot."""
    found = []
    for name in fences.tables(connection, whole=True):
        # By name: a column that was dropped and made anew stands elsewhere on the other side.
        columns = connection.execute(
            "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = %s::pg_catalog.regclass AND attnum > 0"
            " AND NOT attisdropped ORDER BY attname",
            (name,),
        ).fetchall()
        row = ", ".join(identifier(column) for (column,) in columns)
        ((rows, checksum),) = connection.execute(
            "SELECT count(*), coalesce(sum(pg_catalog.hashtextextended(ROW("  # noqa: S608
            f"{row})::text, 0)), 0)::text FROM {name}".encode()
        ).fetchall()
        found.append(Table(name=name, rows=rows, checksum=checksum))
    return found


def sequences(source: Connection) -> list[tuple[str, int | None, int]]:
    """Every sequence of the application: its name, its last value (None where it has given none), its step."""
    found = source.execute(
        "SELECT n.nspname, c.relname, pg_catalog.pg_sequence_last_value(c.oid), s.seqincrement"
        " FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence = 'p'"
        " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid ="
        " 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1, 2"
    ).fetchall()
    return [(f"{identifier(schema)}.{identifier(name)}", last, step) for schema, name, last, step in found]


def carry_sequences(source: Connection, target: Connection) -> int:
    """Sets the target's sequences to the source's, none back; gives how many there are."""
    there = {name: last for name, last, _ in sequences(target)}
    found = sequences(source)
    wanted = [
        f"pg_catalog.setval({literal(name)}, {last})"
        for name, last, step in found
        if last is not None and name in there and _is_ahead(last, there[name], step)
    ]
    if wanted:
        target.execute(f"SELECT {', '.join(wanted)}".encode())
    return len(found)


def _is_ahead(last: int, there: int | None, step: int) -> bool:
    return there is None or (last > there if step > 0 else last < there)


def refresh_views(side: Side) -> int:
    """Fills the materialized views, which no stream does; gives how many there are."""
    listed = (
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
        " ON n.oid = c.relnamespace WHERE c.relkind = 'm' AND n.nspname !~ '^pg_' ORDER BY c.oid"
    )
    with side.connect() as connection:
        found = connection.execute(listed.encode()).fetchall()
        # In the order in which they were made: one that reads another comes after it.
        for schema, name in found:
            connection.execute(f"REFRESH MATERIALIZED VIEW {identifier(schema)}.{identifier(name)}".encode())
    return len(found)
