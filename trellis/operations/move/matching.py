"""What two schemas that were made apart have in common: the tables and columns that come along from a foreign server.

The stack's files make the new database's schema, with roles, grants and history; the foreign one gives rows alone. Its
tables are those of the same name, and the new ones may hold more.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from trellis.migrator.history import TABLE, identifier
from trellis.operations.move import fences
from trellis.operations.move.sides import Connection, Pair
from trellis.operations.move.survey import Finding

# What tools keep of their own migrations. The stack's files have a history of their own.
_HISTORIES = frozenset(
    {
        TABLE,
        "__drizzle_migrations",
        "_prisma_migrations",
        "_sqlx_migrations",
        "alembic_version",
        "ar_internal_metadata",
        "databasechangelog",
        "databasechangeloglock",
        "django_migrations",
        "goose_db_version",
        "knex_migrations",
        "knex_migrations_lock",
        "pgmigrations",
        "schema_migrations",
        "typeorm_metadata",
    }
)
_COLUMNS = """
SELECT attname, pg_catalog.format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), NULL), attgenerated <> '',
  attnotnull AND NOT atthasdef AND attidentity = ''
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE attrelid = %s::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname
"""


class _Column(NamedTuple):
    """kind: its type, a domain's own. computed: from other columns. needed: every row must bring it."""

    name: str
    kind: str
    computed: bool
    needed: bool


def offered(side: Connection, shared: Mapping[str, Sequence[str]]) -> list[str]:
    """The shared tables as a publication names them, with a list of columns where this side has more."""
    found = []
    for name, columns in shared.items():
        own = [column.name for column in _columns(side, name) if not column.computed]
        listed = f" ({', '.join(map(identifier, columns))})" if own != list(columns) else ""
        found.append(f"{name}{listed}")
    return found


def shared(old: Connection, new: Connection, *, foreign: bool = True) -> Mapping[str, Sequence[str]]:
    """The quoted names of the tables that both have, with the columns that both have. foreign: the server of old."""
    there = set(fences.tables(new, whole=True))
    found = {}
    for name in _brought(old) if foreign else fences.tables(old, whole=True):
        if name not in there:
            continue
        own = {column.name for column in _columns(new, name) if not column.computed}
        found[name] = [one.name for one in _columns(old, name) if not one.computed and one.name in own]
    return found


def findings(pair: Pair, old: Connection, new: Connection, left: Collection[str] = ()) -> Iterator[Finding]:
    """What the new database has no place for. left: tables that are meant to stay behind, as schema.name."""
    there = set(fences.tables(new, whole=True))
    for name in fences.tables(old, whole=True):
        plain = name.replace('"', "")
        where = f"{pair.old.name}, {plain}"
        if name not in _brought(old):
            yield Finding(where=where, what="a migration tool's own record", do="It stays behind.", blocks=False)
        elif name in there:
            yield from _differing(where, _columns(old, name), _columns(new, name))
        elif plain not in left:
            yield Finding(
                where=where,
                what=f"{pair.new.name} has no such table",
                do=f"Make it by a migration, or say --leave {plain} to let it stay behind.",
                blocks=True,
            )


def holding_rows(old: Connection, new: Connection) -> list[str]:
    """The shared tables that hold rows on the new side already."""
    return [name for name in shared(old, new) if new.execute(f"SELECT FROM {name} LIMIT 1".encode()).fetchall()]


def _brought(old: Connection) -> list[str]:
    return [name for name in fences.tables(old, whole=True) if name.rpartition('."')[2].strip('"') not in _HISTORIES]


def _columns(connection: Connection, table: str) -> list[_Column]:
    return [_Column(*row) for row in connection.execute(_COLUMNS, (table,)).fetchall()]


def _differing(where: str, old: list[_Column], new: list[_Column]) -> Iterator[Finding]:
    here, there = ({column.name: column for column in side} for side in (old, new))
    for name, column in here.items():
        other = there.get(name)
        if other is None:
            what, do = f"the new table has no column {name}", "Add it by a migration."
        elif column.computed != other.computed:
            what, do = f"{name} is computed from other columns on one side alone", "Make it the same on both."
        elif column.kind != other.kind:
            what = f"{name} is {column.kind}, and {other.kind} on the new side"
            do = "A value that does not fit stops the copy, and one that reads differently is told as a difference."
            yield Finding(where=where, what=what, do=do, blocks=False)
            continue
        else:
            continue
        yield Finding(where=where, what=what, do=do, blocks=True)
    for name in [column.name for column in new if column.needed and column.name not in here]:
        yield Finding(
            where=where,
            what=f"the new table's {name} must not be null, and there is no such column here",
            do="Give it a default by a migration.",
            blocks=True,
        )
