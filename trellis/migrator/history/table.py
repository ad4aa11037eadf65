"""Flyway's history table: its rows, and the SQL that makes, reads and writes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trellis.migrator.versions import VersionKey, version_key

TABLE = "flyway_schema_history"

BASELINE_DESCRIPTION = "<< Flyway Baseline >>"
SCHEMA_DESCRIPTION = "<< Flyway Schema Creation >>"

_COLUMNS = (
    "installed_rank, version, description, type, script, checksum, installed_by, installed_on, execution_time, success"
)

# The types Flyway 13 knows (CoreMigrationType, BaselineMigrationType), with the old names it still reads.
SYNTHETIC_TYPES = frozenset({"SCHEMA", "BASELINE", "DELETE"})
BASELINE_TYPES = frozenset({"BASELINE", "SQL_BASELINE", "JDBC_BASELINE", "SQL_STATE_SCRIPT", "JDBC_STATE_SCRIPT"})
KNOWN_TYPES = (
    SYNTHETIC_TYPES | BASELINE_TYPES | {"SQL", "JDBC", "SPRING_JDBC", "SCRIPT", "UNDO_SCRIPT", "UNDO_SQL", "CUSTOM"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One row of the history table.

    installed_rank: order in which the rows were written.
    checksum: Flyway's number; a SHA-256 in a row of Drizzle's.
    execution_time: milliseconds. Below zero only in a row of ours for a migration that runs outside a transaction and
        is not finished: see `unfinished`.
    """

    installed_rank: int
    version: str | None
    description: str
    type: str
    script: str
    checksum: int | str | None
    installed_by: str = ""
    installed_on: datetime | None = None
    execution_time: int = 0
    success: bool = True

    @property
    def version_key(self) -> VersionKey:
        """What versions compare by; empty for a repeatable."""
        return () if self.version is None else version_key(self.version)

    @property
    def from_baseline_file(self) -> bool:
        """Whether a B migration wrote it."""
        return self.type.endswith(("_BASELINE", "_STATE_SCRIPT"))

    @property
    def unfinished(self) -> "Unfinished | None":
        """How far a migration outside a transaction came; None for every other row."""
        if self.success or self.execution_time >= 0:
            return None
        done, begun = divmod(-self.execution_time - 1, 2)
        return Unfinished(done, begun == 1)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """How far a migration that runs outside a transaction came.

    done: how many of its statements are finished.
    begun: whether the next one was sent, so that it may or may not have taken effect.

    Kept in the row's execution_time as -(1 + 2 * done + begun), with success false. Flyway refuses such a row until it
    is repaired, as it does its own failed ones; a negative time is how this migrator knows it can go on.
    """

    done: int
    begun: bool

    @property
    def execution_time(self) -> int:
        """The number that stands for it in the history table."""
        return -(1 + 2 * self.done + self.begun)


def identifier(name: str) -> str:
    """A name as an SQL identifier, always quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | int | None) -> str:
    """A value as an SQL literal that reads the same whatever standard_conforming_strings is."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    quoted = "'" + value.replace("'", "''") + "'"
    return " E" + quoted.replace("\\", "\\\\") if "\\" in value else quoted


# Runs a query and gives its rows.
Fetch = Callable[[str], Sequence[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class HistoryTable:
    """The history table of one schema."""

    schema: str
    name: str = TABLE

    def __str__(self) -> str:
        return f"{identifier(self.schema)}.{identifier(self.name)}"

    @property
    def parts(self) -> Sequence[str]:
        """The tables that are it, as COPY names them."""
        return (str(self),)

    @property
    def complete(self) -> str:
        """Whether it is there with all that belongs to it, as an SQL expression."""
        return f"to_regclass({literal(str(self))}) IS NOT NULL"

    @property
    def recorded(self) -> str:
        """Whether there is a history, likewise."""
        return self.complete

    @property
    def create(self) -> str:
        """Flyway's own definition: an INSERT of either tool and a schema comparison find the same table."""
        return (
            f'CREATE TABLE {self} ("installed_rank" INT NOT NULL, "version" VARCHAR(50), '
            '"description" VARCHAR(200) NOT NULL, "type" VARCHAR(20) NOT NULL, "script" VARCHAR(1000) NOT NULL, '
            '"checksum" INTEGER, "installed_by" VARCHAR(100) NOT NULL, '
            '"installed_on" TIMESTAMP NOT NULL DEFAULT now(), "execution_time" INTEGER NOT NULL, '
            '"success" BOOLEAN NOT NULL);\n'
            f'ALTER TABLE {self} ADD CONSTRAINT {identifier(self.name + "_pk")} PRIMARY KEY ("installed_rank");\n'
            f'CREATE INDEX {identifier(self.name + "_s_idx")} ON {self} ("success")'
        )

    @property
    def select(self) -> str:
        """Read all rows in the order they were written."""
        return f"SELECT {_COLUMNS} FROM {self} ORDER BY installed_rank"  # noqa: S608

    def read(self, fetch: Fetch) -> tuple[HistoryRow, ...]:
        """All rows."""
        return read_rows(fetch(self.select))

    def insert(self, row: HistoryRow, *, installed_on: str, execution_time: str | None = None) -> str:
        """Write one row. installed_on and execution_time are SQL expressions; without the latter the row's value."""
        values = (
            row.installed_rank,
            row.version,
            row.description,
            row.type,
            row.script,
            row.checksum,
            row.installed_by,
        )
        time = str(row.execution_time) if execution_time is None else execution_time
        listed = ", ".join(literal(value) for value in values)
        success = "true" if row.success else "false"
        return f"INSERT INTO {self} ({_COLUMNS}) VALUES ({listed}, {installed_on}, {time}, {success})"  # noqa: S608

    def insert_timed(self, row: HistoryRow, *, installed_on: str, execution_time: str) -> str:
        """The same, and tell the time that it noted."""
        return f"{self.insert(row, installed_on=installed_on, execution_time=execution_time)} RETURNING execution_time"

    def take_back(self, row: HistoryRow, mark: HistoryRow) -> str:  # noqa: ARG002 - Drizzle's goes by it
        """Say that a migration counts no more: Flyway's mark for it."""
        return self.insert(mark, installed_on="pg_catalog.now()")

    def align(self, row: HistoryRow, now: HistoryRow) -> str:
        """Take checksum, description and type over."""
        changes = f"checksum = {literal(now.checksum)}, description = {literal(now.description)}"
        if now.type != row.type:
            changes += f", type = {literal(now.type)}"
        return self.update(row.installed_rank, changes)

    @property
    def newest(self) -> str:
        """Read the version that was applied last."""
        return (
            f"SELECT version FROM {self} WHERE success AND version IS NOT NULL"  # noqa: S608
            " ORDER BY installed_rank DESC LIMIT 1"
        )

    def admit(self, role: str) -> Sequence[str]:
        """Let a role read it, whose name is quoted already."""
        return (f"GRANT SELECT ON {self} TO {role}",)

    def delete(self, rank: int) -> str:
        """Remove one row."""
        return f"DELETE FROM {self} WHERE installed_rank = {rank}"  # noqa: S608

    def update(self, rank: int, assignments: str) -> str:
        """Change one row."""
        return f"UPDATE {self} SET {assignments} WHERE installed_rank = {rank}"  # noqa: S608


def read_rows(
    records: Sequence[tuple[Any, ...]],
) -> tuple[HistoryRow, ...]:
    """The rows that `HistoryTable.select` returned."""
    return tuple(
        HistoryRow(
            installed_rank=record[0],
            version=record[1],
            description=record[2],
            type=record[3],
            script=record[4],
            checksum=record[5],
            installed_by=record[6],
            installed_on=record[7],
            execution_time=record[8],
            success=record[9],
        )
        for record in records
    )
