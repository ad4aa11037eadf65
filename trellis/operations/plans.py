"""What a command would do, found out without doing it."""

from collections.abc import Sequence

from trellis.migrator import (
    HistoryRow,
    MigrationError,
    MigrationFile,
    Options,
    Plan,
    RepairReport,
    discover,
    info,
    plan,
)
from trellis.migrator.connecting import Session, readable_errors
from trellis.migrator.repairing import Repairs
from trellis.migrator.versions import version_key
from trellis.operations.databases import Database

# States of `info` in which a file will not run again.
_SETTLED = frozenset({"applied", "out of order", "below baseline", "not needed"})


def pending(database: Database, options: Options) -> Plan:
    """What `migrate` would apply.

    Raises MigrationError for what stands in its way.
    """
    sources = database.sources
    files = discover(sources.folder)
    with Session.open(database.target) as session, readable_errors(session, sources.placeholders):
        values = {**sources.placeholders, **session.built_in_placeholders}
        if options.baseline_version is None and (error := _unrecorded(session)):
            raise error
        return plan(files, _history(session), values, options, conforming=session.facts.conforming)


def unrecorded(database: Database) -> MigrationError | None:
    """What keeps a run from beginning in a database that is in use and has no history; None where that is not so.

    Raises MigrationError when the database cannot be reached.
    """
    with Session.open(database.target) as session:
        return _unrecorded(session)


def to_come(database: Database, files: Sequence[MigrationFile]) -> Sequence[MigrationFile]:
    """Those files that a run may still apply, also where it would refuse to start, for example because of one of them.

    Raises MigrationError when folder or database cannot be read.
    """
    sources = database.sources
    tolerant = Options(out_of_order=True, allow_missing=True)
    found = info(database.target, sources.folder, sources.placeholders, tolerant)
    settled = {_identity(one.version, one.description) for one in found if one.state in _SETTLED}
    return [file for file in files if _identity(file.version, file.recorded_description) not in settled]


def _identity(version: str | None, description: str) -> object:
    return description if version is None else version_key(version)


def repairs(database: Database, options: Options) -> RepairReport:
    """What `repair` would change.

    Raises MigrationError when there is no history.
    """
    sources = database.sources
    files = discover(sources.folder)
    with Session.open(database.target) as session, readable_errors(session, sources.placeholders):
        if not session.facts.recorded:
            raise MigrationError(f"There is no history {session.table} to repair.", state="Nothing was changed.")
        values = {**sources.placeholders, **session.built_in_placeholders}
        return Repairs(session, files, _history(session), values, options).report


def refuse_baseline(database: Database, version: str) -> None:
    """Raises MigrationError where `baseline` would: the database has a history that begins otherwise."""
    with Session.open(database.target) as session, readable_errors(session, {}):
        marks = {row.version_key for row in _history(session) if row.type == "BASELINE"}
        if session.facts.recorded and version_key(version) not in marks:
            raise MigrationError(
                f"{session.table} already holds a history; a baseline of {version} would contradict it.",
                state="Nothing was changed.",
            )


def _history(session: Session) -> tuple[HistoryRow, ...]:
    return session.read_history() if session.facts.recorded else ()


def _unrecorded(session: Session) -> MigrationError | None:
    if session.facts.recorded or not session.facts.in_use:
        return None
    return MigrationError(
        f"The schema {session.target.schema!r} is in use and has no history: `trellis baseline` records the version it"
        " is at.",
        state="Nothing was changed.",
    )
