"""Indexes that a failed CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY leaves behind, marked INVALID.

They cost writes, serve no query, and IF NOT EXISTS takes them for the index that was asked for.
"""

from typing import NamedTuple

from trellis.migrator.connecting import Connection, run
from trellis.migrator.errors import MigrationError
from trellis.migrator.history import identifier, literal
from trellis.migrator.options import Options
from trellis.migrator.sql import IndexBuild

# relkind 'I', the index of a partitioned table, is invalid by design until every partition has its own.
_INDEXES = """
SELECT n.nspname, c.relname, i.indisvalid, p.pid
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_progress_create_index p ON p.index_relid = i.indexrelid
"""


class Index(NamedTuple):
    """An index. builder: pid of the session that is building it now, if one is."""

    schema: str
    name: str
    valid: bool
    builder: int | None

    def __str__(self) -> str:
        return f"{identifier(self.schema)}.{identifier(self.name)}"


def find_index(connection: Connection, build: IndexBuild) -> Index | None:
    """The index of that name on that table, if there is one."""
    name = f"(pg_catalog.parse_ident({literal(build.name)}))[1]"
    condition = f"WHERE i.indrelid = to_regclass({literal(build.table)}) AND c.relname = {name}"
    row = connection.execute((_INDEXES + condition).encode()).fetchone()
    return Index._make(row) if row else None


def reindex_leftovers(connection: Connection) -> tuple[Index, ...]:
    """Invalid indexes under the names REINDEX CONCURRENTLY gives its copies, which nobody is building."""
    condition = (
        r"WHERE NOT i.indisvalid AND p.pid IS NULL AND c.relname ~ '_cc(new|old)\d*$' AND n.nspname <> 'pg_toast'"
    )
    return tuple(Index._make(row) for row in connection.execute((_INDEXES + condition).encode()).fetchall())


def drop_invalid(connection: Connection, index: Index, options: Options) -> None:
    """Drop an INVALID index without locking its table.

    Raises MigrationError while somebody is still building it.
    """
    if index.builder is not None:
        raise MigrationError(
            f"Session {index.builder} is building the index {index} at this moment. Run again when it has finished, or"
            f" end it with pg_terminate_backend({index.builder})."
        )
    options.tell(f"The index {index} is INVALID, left by a build that failed: dropping it to build it again.")
    run(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
