"""Whether what was restored is what was: schema, grants, history, rows, and how much is missing at its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from trellis.migrator import MigrationError, validate
from trellis.migrator.history import identifier, literal
from trellis.operations.backup.dumping import newest_migration
from trellis.operations.check.shadow.entries import DumpError, dump
from trellis.operations.databases import Database
from trellis.operations.errors import OperationError
from trellis.operations.move import comparing
from trellis.operations.move.copying import settings
from trellis.operations.move.sides import SCHEMA, Connection, Side

Sums = Mapping[str, tuple[int, str]]
_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was looked at in a database, whether it is well, and what was found."""

    database: str
    what: str
    ok: bool
    found: str


def sums(side: Side) -> Sums:
    """Every table's rows and sum as of one moment."""
    with side.connect() as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return comparing.sums(connection)


def now(side: Side) -> datetime:
    """The time by the server's clock, which is the one that its log of changes has."""
    with side.connect() as connection:
        ((moment,),) = connection.execute("SELECT pg_catalog.clock_timestamp()").fetchall()
        found: datetime = moment
        return found


def rows_between(name: str, before: Sums, after: Sums, there: Sums) -> Check:
    """Compares with the source as it was before and after the moment.

    A table that was the same at both was so in between, and has to be the same here. Of one that was written to
    meanwhile only the rows can be told.
    """
    quiet = [table for table in before if before[table] == after.get(table)]
    wrong = [table for table in quiet if there.get(table) != before[table]]
    missing = [table for table in before.keys() & after.keys() if table not in there]
    busy = [
        f"{table} {there[table][0]:,} rows, {before[table][0]:,} before and {after[table][0]:,} after"
        for table in sorted(before.keys() & after.keys() & there.keys())
        if table not in quiet
    ]
    rows = sum(before[table][0] for table in quiet)
    told = f"{rows:,} rows in {len(quiet)} tables, each the same by checksum"
    if wrong or missing:
        told = f"not as they were: {_some([*wrong, *missing])}"
    if busy:
        told += f"; written to meanwhile: {_some(busy)}"
    return Check(database=name, what="rows", ok=not (wrong or missing), found=told)


def rows_of_dump(name: str, tables: Sums, differs: Sequence[str]) -> Check:
    """What the restore of a dump found."""
    told = f"{sum(rows for rows, _ in tables.values()):,} rows in {len(tables)} tables, each the same by checksum"
    if differs:
        told = f"not as they were dumped: {_some(differs)}"
    return Check(database=name, what="rows", ok=not differs, found=told)


def rows_then(name: str, there: Sums) -> Check:
    """What can be told of a moment that the source cannot be read at any more."""
    told = f"{sum(rows for rows, _ in there.values()):,} rows in {len(there)} tables; the source has gone on since"
    return Check(database=name, what="rows", ok=bool(there), found=told)


def history(database: Database, side: Side) -> Check:
    """Compares the history of migrations with the files. What is pending is not wrong: it is newer."""
    sources = database.sources
    name = database.name
    with side.connect() as connection:
        newest = newest_migration(connection, database.target.history_table)
    try:
        problems: Sequence[MigrationError] = validate(side.target, sources.folder, sources.placeholders)
    except MigrationError as error:
        problems = [error]
    told = _some([problem.message for problem in problems]) if problems else f"files and history agree, at {newest}"
    return Check(database=name, what="migrations", ok=newest is not None and not problems, found=told)


def schema(database: Database, source: Side, side: Side) -> Check:
    """Compares schema, owners and grants with the source's, where both are at the same migration."""
    table = database.target.history_table
    with source.connect() as here, side.connect() as there:
        ours, theirs = newest_migration(here, table), newest_migration(there, table)
        old, new = _entries(here), _entries(there)
    found = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if ours != theirs:
        told = f"at migration {theirs}, and the source at {ours}: {len(found)} objects differ"
        return Check(database=database.name, what="schema and grants", ok=bool(new), found=told)
    told = f"differs in {_some(found)}" if found else f"{len(new)} objects with their owners and grants are the same"
    return Check(database=database.name, what="schema and grants", ok=not found, found=told)


def newest(side: Side, until: datetime) -> datetime | None:
    """The newest row that was written no later than a moment, by the columns that say when a row was."""
    with side.connect() as connection:
        columns = connection.execute(
            "SELECT n.nspname, c.relname, a.attname FROM pg_catalog.pg_attrdef d"
            " JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
            " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attgenerated = ''"
            " AND a.atttypid = 'timestamptz'::pg_catalog.regtype AND n.nspname !~ '^(pg|_timescaledb)_'"
            " AND pg_catalog.pg_get_expr(d.adbin, d.adrelid) ~* '(now\\(\\)|current_timestamp|clock_timestamp)'"
        ).fetchall()
        moments = [
            moment
            for schema_name, table, column in columns
            for (moment,) in connection.execute(
                f"SELECT max({identifier(column)}) FROM {identifier(schema_name)}.{identifier(table)}"  # noqa: S608
                f" WHERE {identifier(column)} <= {literal(until.isoformat())}".encode()
            ).fetchall()
            if moment is not None
        ]
    return max(moments, default=None)


def _entries(connection: Connection) -> dict[str, tuple[str, str]]:
    """Every object by kind and name: what makes it, and its owner. Settings and grants of the database are one each."""
    try:
        found = dump(connection)
    except DumpError as error:
        raise OperationError(f"{connection.info.dbname} cannot be dumped: {error}") from None
    of_objects = {
        f"{one.kind.lower()} {'' if one.schema == '-' else f'{one.schema}.'}{one.name}": (one.shown, one.owner)
        for one in found
        if SCHEMA not in one.sql
        and one.kind != "PUBLICATION"
        # An extension's comment is whoever's who made the extension, and is not restored.
        and not (one.kind == "COMMENT" and one.name.startswith("EXTENSION "))
    }
    named = f"DATABASE {identifier(connection.info.dbname)}"
    of_database = (statement.replace(named, "DATABASE", 1) for statement in settings(connection))
    return of_objects | dict.fromkeys(of_database, ("", ""))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"
