"""What has to be known of a table before rows are put back into it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from trellis.migrator.history import identifier
from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.move import fences
from trellis.operations.move.sides import Connection

# TimescaleDB's own on each hypertable, which lets nobody write to the parent of the chunks. create_hypertable makes it.
INSERT_BLOCKER = "ts_insert_blocker"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it is now.

    name: with its schema, quoted. key, columns: quoted names; of the columns those that can be written. always: those
    that are GENERATED ALWAYS AS IDENTITY. triggers: name -> what fires it. parents: tables that it refers to.
    cascades: tables whose rows are deleted with its own.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    always: tuple[str, ...]
    triggers: tuple[tuple[str, str], ...]
    parents: frozenset[str]
    cascades: frozenset[str]

    def matches(self, one: str, other: str) -> str:
        """The condition that two rows of this table have the same key."""
        return " AND ".join(f"{one}.{column} = {other}.{column}" for column in self.key)

    def hash(self, of: str, columns: Sequence[str]) -> str:
        """The hash of a row, by its columns' names."""
        row = ", ".join(f"{of}.{column}" for column in sorted(columns))
        return f"pg_catalog.hashtextextended(ROW({row})::text, 0)"


def named(connection: Connection, names: Sequence[str]) -> list[Table]:
    """The tables of these names, with or without their schema, each after those that it refers to.

    Raises WrongCall for a name that means none or several, OperationError for a table without a primary key.
    """
    known = fences.tables(connection)
    found: dict[str, Table] = {}
    for name in names:
        parts = [identifier(part) for part in name.split(".", 1)]
        meant = [one for one in known if one in (name, ".".join(parts)) or one.endswith(f".{identifier(name)}")]
        if len(meant) != 1:
            several = f"one of {', '.join(meant)}: name its schema too" if meant else "no table here"
            raise WrongCall(f"{name!r} is {several}.")
        found[meant[0]] = _read(connection, meant[0])
    try:
        order = TopologicalSorter({one: (found[one].parents & found.keys()) - {one} for one in found}).static_order()
        return [found[one] for one in order]
    except CycleError:
        return list(found.values())


def types(connection: Connection, table: str) -> dict[str, str]:
    """The types of the columns that can be written, by their quoted names; empty where there is no such table."""
    return {
        identifier(column): kind
        for column, kind in connection.execute(
            "SELECT attname, pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute"
            " WHERE attrelid = pg_catalog.to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
            " ORDER BY attnum",
            (table,),
        ).fetchall()
    }


def _read(connection: Connection, name: str) -> Table:
    key = connection.execute(
        "SELECT a.attname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid"
        " AND a.attnum = ANY(i.indkey) WHERE i.indrelid = %s::pg_catalog.regclass AND i.indisprimary ORDER BY 1",
        (name,),
    ).fetchall()
    if not key:
        raise OperationError(f"{name} has no primary key, so its rows cannot be told from each other.")
    always = connection.execute(
        "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = %s::pg_catalog.regclass AND attidentity = 'a'",
        (name,),
    ).fetchall()
    return Table(
        name=name,
        key=tuple(identifier(column) for (column,) in key),
        columns=tuple(types(connection, name)),
        always=tuple(identifier(column) for (column,) in always),
        triggers=tuple(_triggers(connection, name)),
        parents=_referred(connection, name, "conrelid", "confrelid", ""),
        cascades=_referred(connection, name, "confrelid", "conrelid", " AND confdeltype = 'c'"),
    )


def _triggers(connection: Connection, name: str) -> Iterator[tuple[str, str]]:
    found = connection.execute(
        "SELECT tgname, tgtype FROM pg_catalog.pg_trigger WHERE tgrelid = %s::pg_catalog.regclass"
        " AND NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgname <> %s ORDER BY 1",
        (name, INSERT_BLOCKER),
    ).fetchall()
    for trigger, kind in found:
        # TRIGGER_TYPE_INSERT and _UPDATE of PostgreSQL's catalog.
        for bit, event in ((4, "INSERT"), (16, "UPDATE")):
            if kind & bit:
                yield trigger, event


def _referred(connection: Connection, name: str, own: str, other: str, condition: str) -> frozenset[str]:
    found = connection.execute(
        f"SELECT DISTINCT n.nspname, c.relname FROM pg_catalog.pg_constraint k"  # noqa: S608
        f" JOIN pg_catalog.pg_class c ON c.oid = k.{other} JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE k.contype = 'f' AND k.{own} = %s::pg_catalog.regclass AND k.conparentid = 0{condition}".encode(),
        (name,),
    ).fetchall()
    return frozenset(f"{identifier(schema)}.{identifier(table)}" for schema, table in found)
