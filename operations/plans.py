"""What a command would do, found out without doing it."""

from migrator import MigrationError, Options, Plan, RepairReport, discover, plan
from migrator.connection import Session
from migrator.history import HistoryRow
from migrator.privacy import readable_errors
from migrator.repairs import _Repairs
from migrator.versions import version_key
from operations.databases import Database


def pending(database: Database, options: Options) -> Plan:
    """What `migrate` would apply.

    Raises MigrationError for what stands in its way.
    """
    sources = database.sources
    files = discover(sources.folder)
    with Session.open(database.target) as session, readable_errors(session, sources.placeholders):
        values = {**sources.placeholders, **session.built_in_placeholders}
        _refuse_used(session, options)
        return plan(files, _history(session), values, options, conforming=session.facts.conforming)


def repairs(database: Database, options: Options) -> RepairReport:
    """What `repair` would change.

    Raises MigrationError when there is no history.
    """
    sources = database.sources
    files = discover(sources.folder)
    with Session.open(database.target) as session, readable_errors(session, sources.placeholders):
        if not session.facts.has_table:
            raise MigrationError(f"There is no history {session.table} to repair.", state="Nothing was changed.")
        values = {**sources.placeholders, **session.built_in_placeholders}
        return _Repairs(session, files, _history(session), values, options).report


def refuse_baseline(database: Database, version: str) -> None:
    """Raises MigrationError where `baseline` would: the database has a history that begins otherwise."""
    with Session.open(database.target) as session, readable_errors(session, {}):
        marks = {row.version_key for row in _history(session) if row.type == "BASELINE"}
        if session.facts.has_table and version_key(version) not in marks:
            raise MigrationError(
                f"{session.table} already holds a history; a baseline of {version} would contradict it.",
                state="Nothing was changed.",
            )


def _history(session: Session) -> tuple[HistoryRow, ...]:
    return session.read_history() if session.facts.has_table else ()


def _refuse_used(session: Session, options: Options) -> None:
    if session.facts.in_use and not session.facts.has_table and options.baseline_version is None:
        raise MigrationError(
            f"The schema {session.table.schema!r} is in use and has no history: `trellis baseline` records the version"
            " it is at.",
            state="Nothing was changed.",
        )
