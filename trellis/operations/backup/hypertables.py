"""Hypertables of TimescaleDB in a backup: a script beside pg_dump's archive makes them anew and fills them.

pg_dump would write TimescaleDB's own catalogue and the tables that it keeps the rows in. To put those back takes
`timescaledb.restoring`, which only a superuser may set, and the same version of the extension. So the archive has the
hypertables as empty tables, and the script turns them into hypertables with the dimensions they had and copies the
rows, read through the hypertable: compressed ones too. Any version that is no older takes it.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trellis.migrator.history import identifier, literal
from trellis.migrator.versions import VersionKey, version_key
from trellis.operations.backup import packing
from trellis.operations.backup.manifest import Dump, Hypertables
from trellis.operations.errors import OperationError
from trellis.operations.move.sides import Connection
from trellis.operations.rescue.tables import types

_SUFFIX = ".hypertables.sql.zst"
_ONLY = re.compile(r'^ALTER TABLE ONLY ("(?:[^"]|"")+"|[^\s".]+)\.("(?:[^"]|"")+"|[^\s".;]+)', re.MULTILINE)
_LACKS = """
SELECT pg_catalog.format('the continuous aggregate %I.%I', view_schema, view_name)
FROM timescaledb_information.continuous_aggregates
UNION ALL SELECT pg_catalog.format('the compression of %I.%I', hypertable_schema, hypertable_name)
FROM timescaledb_information.hypertables WHERE compression_enabled
UNION ALL SELECT pg_catalog.format('the job %s, %I.%I', job_id, proc_schema, proc_name)
FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY 1
"""
# What places rows by a dimension: TimescaleDB's own function needs no name.
_DIMENSIONS = """
SELECT i.column_name, i.time_interval::text, i.integer_interval, i.num_partitions,
  CASE WHEN d.partitioning_func_schema !~ '^_timescaledb_'
       THEN pg_catalog.format('%%I.%%I', d.partitioning_func_schema, d.partitioning_func) END,
  CASE WHEN d.integer_now_func <> ''
       THEN pg_catalog.format('%%I.%%I', d.integer_now_func_schema, d.integer_now_func) END
FROM timescaledb_information.dimensions i
JOIN _timescaledb_catalog.hypertable h ON (h.schema_name, h.table_name) = (i.hypertable_schema, i.hypertable_name)
JOIN _timescaledb_catalog.dimension d ON d.hypertable_id = h.id AND d.column_name = i.column_name
WHERE pg_catalog.format('%%I.%%I', h.schema_name, h.table_name)::pg_catalog.regclass = %s::pg_catalog.regclass
ORDER BY i.dimension_number
"""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The hypertables of a database. schema: of the extension's functions. lacks: what is not kept, in words.

    aggregates: the quoted names of continuous aggregates, which pg_dump writes as views of what is left out.
    """

    version: str
    schema: str
    names: tuple[str, ...]
    aggregates: tuple[str, ...]
    lacks: tuple[str, ...]

    @property
    def left_out(self) -> Iterator[str]:
        """pg_dump's options."""
        for name in self.aggregates:
            yield f"--exclude-table={name}"

    def script(self, connection: Connection) -> Iterator[bytes]:
        """What psql reads, as of the transaction's snapshot."""
        for name in self.names:
            for statement in self._made_by(connection, name):
                yield f"SELECT {identifier(self.schema)}.{statement};\n".encode()
            columns = ", ".join(types(connection, name))
            yield f"COPY {name} ({columns}) FROM stdin;\n".encode()
            with connection.cursor().copy(f"COPY (SELECT {columns} FROM {name}) TO STDOUT".encode()) as rows:  # noqa: S608
                yield from map(bytes, rows)
            yield b"\\.\n"

    def _made_by(self, connection: Connection, name: str) -> Iterator[str]:
        table = literal(name)
        for number, (column, time, integer, parts, placing, clock) in enumerate(
            connection.execute(_DIMENSIONS, (name,)).fetchall()
        ):
            length = f"interval {literal(time)}" if time else f"{integer}::bigint"
            options = f"number_partitions => {parts}" if parts else f"chunk_time_interval => {length}"
            if placing:
                options += f", {'partitioning_func' if number else 'time_partitioning_func'} => {literal(placing)}"
            if number:
                yield f"add_dimension({table}, {literal(column)}, {options})"
            else:
                yield f"create_hypertable({table}, {literal(column)}, {options}, create_default_indexes => false)"
            if clock:
                yield f"set_integer_now_func({table}, {literal(clock)})"


def named(connection: Connection) -> tuple[str, ...]:
    """The quoted names of the hypertables of a database, in one order."""
    if not connection.execute("SELECT FROM pg_catalog.pg_extension WHERE extname = 'timescaledb'").fetchall():
        return ()
    return _names(connection, "hypertable_schema, hypertable_name FROM timescaledb_information.hypertables")


def find(connection: Connection) -> Found | None:
    """The hypertables of a database; None where it has none.

    Raises OperationError where rows lie outside TimescaleDB's own schemas.
    """
    names = named(connection)
    if not names:
        return None
    outside = connection.execute(
        "SELECT DISTINCT chunk_schema FROM timescaledb_information.chunks WHERE chunk_schema !~ '^_timescaledb_'"
    ).fetchall()
    if outside:
        raise OperationError(
            f"Chunks of hypertables lie in the schema {outside[0][0]}: only those in _timescaledb_internal, where"
            " TimescaleDB puts them by itself, are backed up."
        )
    ((version, schema),) = connection.execute(
        "SELECT extversion, nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n"
        " ON n.oid = e.extnamespace WHERE extname = 'timescaledb'"
    ).fetchall()
    return Found(
        version=version,
        schema=schema,
        names=names,
        aggregates=_names(connection, "view_schema, view_name FROM timescaledb_information.continuous_aggregates"),
        lacks=tuple(lack for (lack,) in connection.execute(_LACKS).fetchall()),
    )


def _names(connection: Connection, columns: str) -> tuple[str, ...]:
    found = connection.execute(f"SELECT {columns} ORDER BY 1, 2".encode()).fetchall()
    return tuple(f"{identifier(schema)}.{identifier(name)}" for schema, name in found)


def dump(
    connection: Connection, found: Found, archive: Path, recipients: Sequence[str], progress: Callable[[int], None]
) -> Hypertables:
    """Writes the script into a file beside the archive, as of the transaction's snapshot."""
    connection.execute("SET LOCAL client_encoding = 'UTF8'")
    file = archive.with_name(archive.name.replace(packing.SUFFIX, _SUFFIX))
    rows: Any = _Stream(found.script(connection))
    written, digest = packing.pack(rows, file, recipients, progress)
    return Hypertables(
        version=found.version,
        names=found.names,
        lacks=found.lacks,
        file=f"{file.parent.name}/{file.name}",
        bytes=written,
        sha256=digest,
    )


def check(dump: Dump, name: str, connection: Connection) -> None:
    """Raises OperationError where a server cannot take the hypertables of a dump. name: of the database there."""
    if dump.hypertables is None:
        return
    offered = connection.execute(
        "SELECT coalesce(installed_version, default_version),"
        " current_setting('timescaledb.max_background_workers', true) IS NOT NULL"
        " FROM pg_catalog.pg_available_extensions WHERE name = 'timescaledb'"
    ).fetchall()
    wanted = dump.hypertables.version
    if not offered:
        lacking = "offers no TimescaleDB. Restore into one that offers this version or a newer one"
    elif not offered[0][1]:
        lacking = "has not loaded it. Add timescaledb to its shared_preload_libraries, restart it and try again"
    elif _number(offered[0][0]) < _number(wanted):
        lacking = f"offers {offered[0][0]}, which is older. Update it there, or restore into a server that has it"
    else:
        return
    raise OperationError(
        f"{dump.name} has hypertables of TimescaleDB {wanted}, and the server of {name} {lacking}. Nothing was changed."
    )


def whole(script: str, names: Sequence[str]) -> str:
    """pg_dump's script with what it does to hypertables ONLY done to all of them, as TimescaleDB wants it."""

    def table(found: re.Match[str]) -> str:
        schema, name = (part[1:-1].replace('""', '"') if part[0] == '"' else part for part in found.groups())
        kept = f"{identifier(schema)}.{identifier(name)}" not in names
        return found[0] if kept else found[0].replace(" ONLY ", " ", 1)

    return _ONLY.sub(table, script)


def _number(version: str) -> VersionKey:
    return version_key(version.partition("-")[0])


class _Stream:
    """Blocks of bytes as a file that is read."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks

    def read(self, size: int) -> bytes:
        """About so many bytes; none at the end."""
        data = bytearray()
        while len(data) < size and (block := next(self._blocks, b"")):
            data += block
        return bytes(data)
