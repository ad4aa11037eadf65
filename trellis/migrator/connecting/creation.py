"""Making the history table, as Flyway makes it."""

from trellis.migrator.errors import MigrationError, ServerError
from trellis.migrator.history import BASELINE_DESCRIPTION, SCHEMA_DESCRIPTION, DrizzleTable, HistoryRow, identifier
from trellis.migrator.versions import version_text

from .connection import Session
from .wire import roll_back, run

# Another migrator made the table, or its schema, while this one waited for the lock.
_EXISTS = ("42P07", "42P06")


def create_history(
    session: Session, baseline_version: str | None, *, always_baseline: bool = False
) -> tuple[HistoryRow, ...] | None:
    """Make the history table, and the schema where it is missing; the rows it holds then, None when it was there.

    A schema made here is noted in a row of its own, rank 0. A schema in use is taken to be at the baseline version, and
    a baseline row says so; with always_baseline an empty one too.

    Raises MigrationError for a schema in use without a baseline version, and where the user may not create the table.
    """
    table, facts = session.table, session.facts
    if facts.has_schema and facts.in_use and baseline_version is None:
        raise MigrationError(
            f"The schema {session.target.schema} of {session.target.name} holds objects, but no migration history."
            " `trellis baseline` records what version they are, and migrations above it are applied; or use an empty"
            " schema.",
            state="Nothing was changed.",
        )
    rows: list[HistoryRow] = []
    if not facts.has_schema:
        rows.append(_row(session, 0, None, SCHEMA_DESCRIPTION, "SCHEMA"))
    if baseline_version is not None and (facts.in_use or always_baseline):
        rows.append(_row(session, 1, version_text(baseline_version), BASELINE_DESCRIPTION, "BASELINE"))
    steps = [] if facts.has_schema else [f"CREATE SCHEMA {identifier(session.target.schema)}"]
    steps += [table.create, *(table.insert(row, installed_on="pg_catalog.now()") for row in rows)]
    try:
        run(session.connection, "BEGIN; " + ";\n".join(steps) + "; COMMIT")
    except ServerError as error:
        if not error.lost:
            roll_back(session.connection)
        if error.sqlstate in _EXISTS:
            return None
        raise MigrationError(
            f"The migration history {table} cannot be made: {error.message}",
            sqlstate=error.sqlstate,
            detail=error.detail,
            hint=f"The user {facts.user} needs CREATE on the schema.",
            state="Nothing was changed.",
        ) from None
    # Drizzle's own migrator may have begun its history before.
    return session.read_history() if isinstance(table, DrizzleTable) else tuple(rows)


def _row(session: Session, rank: int, version: str | None, description: str, kind: str) -> HistoryRow:
    return HistoryRow(
        installed_rank=rank,
        version=version,
        description=description,
        type=kind,
        script=identifier(session.target.schema) if kind == "SCHEMA" else description,
        checksum=None,
        installed_by=session.facts.user,
    )
