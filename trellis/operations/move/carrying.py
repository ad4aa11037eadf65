"""The way without a stream: every row is copied while both sides are closed, in one transaction of each.

The cut is the same, only that in place of the last change all rows arrive. So the way back is the same copy the other
way, and whoever is killed in it has changed nothing on the side that it leads to. Which side's rows are the latest is
told by the marks: a side that is closed leaves one, and the copy takes them along.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from trellis.migrator.history import identifier
from trellis.operations.move import fences
from trellis.operations.move.comparing import carry_sequences, refresh_views
from trellis.operations.move.sides import SCHEMA, Connection

# Bytes of a database, indexes included, that are copied in a second: a guess for a network between two clusters.
BYTES_PER_SECOND = 20 * 1024**2
_MARK = "rows come by a copy"


def goes_by_copy(connection: Connection) -> bool:
    """Whether this side of a move was marked as one that no stream leads to."""
    found = connection.execute(
        "SELECT pg_catalog.obj_description(pg_catalog.to_regnamespace(%s)::pg_catalog.oid, 'pg_namespace')", (SCHEMA,)
    ).fetchall()
    return bool(found == [(_MARK,)])


def mark(connection: Connection) -> None:
    """Says that rows get here by a copy alone."""
    connection.execute(f"COMMENT ON SCHEMA {SCHEMA} IS '{_MARK}'")


def has_less(here: Connection, there: Connection) -> bool:
    """Whether a copy from here would take rows away from there: that side was closed later, and not copied since."""
    return bool(_marks(there) - _marks(here))


def seconds(size: int) -> float:
    """How long a copy of so many bytes takes, roughly."""
    return 1 + size / BYTES_PER_SECOND


def carry(here: Connection, there: Connection, tables: Mapping[str, Sequence[str]]) -> None:
    """Gives the target the source's rows in place of its own, with sequences and materialized views.

    Both are closed. tables: with their columns. The target keeps what it has unless all gets there.
    """
    with here.transaction(), there.transaction():
        here.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        with _undisturbed(there):
            if tables:
                there.execute(f"TRUNCATE {', '.join(tables)}".encode())
            for name, columns in tables.items():
                _copy(here, there, name, ", ".join(map(identifier, columns)))
        carry_sequences(here, there)
        refresh_views(there)
        there.execute("INSERT INTO trellis_move.marks (token) SELECT unnest(%s)", (list(_marks(here) - _marks(there)),))


def _marks(side: Connection) -> set[UUID]:
    return {token for (token,) in side.execute("SELECT token FROM trellis_move.marks").fetchall()}


def _copy(here: Connection, there: Connection, table: str, columns: str) -> None:
    into = f"{table} ({columns})" if columns else table
    # A partitioned table is read by a query alone.
    out = f"COPY (SELECT {columns} FROM {table}) TO STDOUT"  # noqa: S608
    with (
        here.cursor().copy(out.encode()) as rows,
        there.cursor().copy(f"COPY {into} FROM STDIN".encode()) as taken,
    ):
        for block in rows:
            taken.write(block)


# What acts on each row, the fence among it: how it is taken away, and how it is put back.
_TRIGGERS = f"""
SELECT pg_catalog.format('ALTER TABLE %s DISABLE TRIGGER %I', t.oid::pg_catalog.regclass, g.tgname),
  pg_catalog.format('ALTER TABLE %s ENABLE %s TRIGGER %I', t.oid::pg_catalog.regclass,
    CASE g.tgenabled WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END, g.tgname)
FROM ({fences.TABLES}) t JOIN pg_catalog.pg_trigger g ON g.tgrelid = t.oid
WHERE NOT g.tgisinternal AND g.tgenabled <> 'D'
"""  # noqa: S608
# What asks for an order of tables. A comment goes with its constraint.
_REFERENCES = f"""
SELECT pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', t.oid::pg_catalog.regclass, c.conname),
  pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', t.oid::pg_catalog.regclass, c.conname,
    pg_catalog.pg_get_constraintdef(c.oid)) || coalesce(pg_catalog.format('; COMMENT ON CONSTRAINT %I ON %s IS %L',
    c.conname, t.oid::pg_catalog.regclass, pg_catalog.obj_description(c.oid, 'pg_constraint')), '')
FROM ({fences.TABLES}) t JOIN pg_catalog.pg_constraint c ON c.conrelid = t.oid
WHERE c.contype = 'f' AND c.conparentid = 0
"""  # noqa: S608


@contextmanager
def _undisturbed(side: Connection) -> Iterator[None]:
    """Takes away what would act on rows or ask for an order of tables, and puts it back: in one transaction."""
    found = [*side.execute(_TRIGGERS.encode()).fetchall(), *side.execute(_REFERENCES.encode()).fetchall()]
    for take_away, _ in found:
        side.execute(take_away.encode())
    yield
    for _, put_back in found:
        side.execute(put_back.encode())
