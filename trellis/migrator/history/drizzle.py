"""Drizzle's own history beside Flyway's: its table as drizzle-orm makes, reads and writes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .table import BASELINE_DESCRIPTION, Fetch, HistoryRow, HistoryTable, literal
from .table import TABLE as FLYWAYS

SCHEMA = '"drizzle"'
TABLE = f'{SCHEMA}."__drizzle_migrations"'

# The names by which a history is known in a list of objects.
HISTORIES = (FLYWAYS, "__drizzle_migrations")

# What a baseline has in the place of a file's SHA-256. Drizzle compares `created_at` alone.
_BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class DrizzleTable(HistoryTable):
    """The history of a folder of Drizzle's: its own table for what its journal names, and beside it in the same schema
    one like Flyway's for the repeatables, of which Drizzle knows nothing.

    tags: `when` in the journal -> tag. A row of Drizzle's has neither name nor time; its version is the `when`.
    """

    schema: str = "drizzle"
    tags: Mapping[int, str] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[str, ...]:
        """Drizzle's, which numbers its rows itself, and the one beside it."""
        return f"{TABLE} (hash, created_at)", str(self)

    @property
    def complete(self) -> str:
        """Whether both tables are there."""
        return f"({self.recorded} AND to_regclass({literal(str(self))}) IS NOT NULL)"

    @property
    def recorded(self) -> str:
        """Whether Drizzle's is."""
        return f"to_regclass({literal(TABLE)}) IS NOT NULL"

    @property
    def create(self) -> str:
        """What of the two is missing; Drizzle's as its migrator makes it."""
        return (
            f"CREATE SCHEMA IF NOT EXISTS {SCHEMA};\n"
            f"CREATE TABLE IF NOT EXISTS {TABLE} (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at bigint);\n"
            f"{super(DrizzleTable, self).create}"
        )

    def read(self, fetch: Fetch) -> tuple[HistoryRow, ...]:
        """Drizzle's rows, then those of the repeatables."""
        rows = fetch(f"SELECT id, hash, created_at FROM {TABLE} WHERE created_at IS NOT NULL ORDER BY id")  # noqa: S608
        ((beside,),) = fetch(f"SELECT to_regclass({literal(str(self))}) IS NOT NULL")
        own = super(DrizzleTable, self).read(fetch) if beside else ()
        return (*(self._row(*row) for row in rows), *own)

    def _row(self, rank: int, digest: str, when: int) -> HistoryRow:
        marks = digest == _BASELINE
        tag = self.tags.get(when, "")
        return HistoryRow(
            installed_rank=rank,
            version=str(when),
            description=BASELINE_DESCRIPTION if marks else tag,
            type="BASELINE" if marks else "SQL",
            script=BASELINE_DESCRIPTION if marks else f"{tag}.sql" if tag else f"when {when}",
            checksum=None if marks else digest,
        )

    def insert(self, row: HistoryRow, *, installed_on: str, execution_time: str | None = None) -> str:
        """Write one row: Drizzle's table takes what has a version."""
        if row.version is None:
            return super(DrizzleTable, self).insert(row, installed_on=installed_on, execution_time=execution_time)
        digest = _BASELINE if row.checksum is None else row.checksum
        return f"INSERT INTO {TABLE} (hash, created_at) VALUES ({literal(digest)}, {row.version})"  # noqa: S608

    def insert_timed(self, row: HistoryRow, *, installed_on: str, execution_time: str) -> str:
        """Write one row and tell the time it took, which Drizzle's table does not hold."""
        if row.version is None:
            return super(DrizzleTable, self).insert_timed(row, installed_on=installed_on, execution_time=execution_time)
        return f"{self.insert(row, installed_on=installed_on)} RETURNING {execution_time}"

    def take_back(self, row: HistoryRow, mark: HistoryRow) -> str:
        """Drizzle has no marks: the row goes."""
        if row.version is None:
            return super(DrizzleTable, self).take_back(row, mark)
        return f"DELETE FROM {TABLE} WHERE id = {row.installed_rank}"  # noqa: S608

    def align(self, row: HistoryRow, now: HistoryRow) -> str:
        """Take the file's checksum over."""
        if row.version is None:
            return super(DrizzleTable, self).align(row, now)
        return f"UPDATE {TABLE} SET hash = {literal(now.checksum)} WHERE id = {row.installed_rank}"  # noqa: S608

    def admit(self, role: str) -> tuple[str, ...]:
        """Let a role read both."""
        return f"GRANT USAGE ON SCHEMA {SCHEMA} TO {role}", f"GRANT SELECT ON {TABLE}, {self} TO {role}"

    @property
    def newest(self) -> str:
        """The version that Drizzle goes on from."""
        return f"SELECT max(created_at)::text FROM {TABLE} HAVING count(created_at) > 0"  # noqa: S608
