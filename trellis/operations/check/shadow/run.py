"""The shadow run: migrations applied to a throw-away copy, to see whether they run and what they leave."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import psycopg

from trellis.migrator import HistoryRow, Kind, MigrationError, MigrationFile, Options, Target, migrate
from trellis.migrator.connecting import Session, readable_errors
from trellis.migrator.history import literal
from trellis.operations.check.findings import Finding, Severity, Shadow
from trellis.operations.check.shadow import copies
from trellis.operations.check.shadow.administrator import DIGITALOCEAN, Administrator
from trellis.operations.check.shadow.changes import changes
from trellis.operations.check.shadow.entries import DumpError, Entry, dump
from trellis.operations.check.shadow.server import Servers
from trellis.operations.databases import Database, Sources
from trellis.operations.errors import OperationError

FAILED = "trellis-shadow-failed"
NOT_RUN = "trellis-not-shadowed"

# `check` reviews what a run may still apply, also where it would not begin: `validate` says what is in its way.
_TOLERANT = Options(out_of_order=True, allow_missing=True)

# SQLSTATE and message of what this server cannot have and another may.
_LACKING = (
    ("0A000", re.compile(r'extension ".*" is not available')),
    ("58P01", re.compile(r"could not (?:access|open) (?:file|extension)")),
    ("55000", re.compile(r"must be loaded via \"?shared_preload_libraries")),
    ("42704", re.compile(r"collation .* does not exist")),
)
_NEW_ROLE = re.compile(r'\bCREATE\s+(?:ROLE|USER|GROUP)\s+"?(\$\{[^}]+\}|[\w$]+)', re.IGNORECASE)
_LISTED = 3


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of it: None and a finding that says why, where nothing was run."""

    shadow: Shadow | None
    findings: tuple[Finding, ...]


def run_pending(servers: Servers, database: Database, files: Sequence[MigrationFile]) -> Outcome:
    """Applies what is pending in a database, `files`, to a copy of its schema without rows, its history included.

    Whoever may not read the schema gets one that the files which were applied make. Raises MigrationError when the
    database cannot be reached, OperationError when there is no server for the copy.
    """
    sources = database.sources
    with Session.open(database.target) as session:
        if session.facts.recorded and not copies.may_read(session.connection):
            return _run_after_applied(servers, sources, files, session.read_history())
    try:
        original = copies.read(database.target)
    except DumpError as error:
        said = database.target.conceal(str(error))
        return Outcome(shadow=None, findings=(not_run(sources.folder, f"pg_dump cannot read its schema: {said}"),))
    roles = original.roles | _named_roles(sources)
    with _empty(servers, sources, original.major, original.name, original.administrator, roles) as place:
        return _run(place, sources, _lacking(sources.folder, copies.write(original, place.superuser)))


def _run_after_applied(
    servers: Servers, sources: Sources, files: Sequence[MigrationFile], rows: Sequence[HistoryRow]
) -> Outcome:
    versions = [row for row in rows if row.success and row.version is not None]
    if any(row.type == "BASELINE" for row in rows):
        reason = "the history begins with a baseline, and this login may not read the schema that it stands for"
        return Outcome(shadow=None, findings=(not_run(sources.folder, reason),))
    since = max(versions, key=lambda row: row.version_key).version if versions else None
    outcome = run_chain(servers, sources, files, since, known=False)
    return replace(outcome, shadow=outcome.shadow and replace(outcome.shadow, from_files=True))


def run_chain(
    servers: Servers, sources: Sources, files: Sequence[MigrationFile], since: str | None, *, known: bool = True
) -> Outcome:
    """Applies a folder to an empty database: first the versions up to `since`, then, as what is reviewed, the rest.

    files: those reviewed. known: whether the earlier ones must run here; else they did on another server, and a
    failure is a warning. Raises OperationError when there is no server.
    """
    roles = _named_roles(sources)
    with _empty(servers, sources, sources.postgresql, sources.database, DIGITALOCEAN, roles) as place:
        if since is not None:
            try:
                _apply_earlier(place.target, sources, since, files)
            except MigrationError as error:
                return Outcome(shadow=None, findings=(_failed(error, sources.folder, lacking=not known),))
        outcome = _run(place, sources, ())
    applied = outcome.shadow.applied if outcome.shadow and outcome.shadow.complete else None
    if applied is not None:
        skipped = [file for file in files if file.script not in applied]
        findings = [not_run(file.path, "a baseline migration stands for it on an empty database") for file in skipped]
        return replace(outcome, findings=(*outcome.findings, *findings))
    return outcome


def not_run(place: Path, reason: str) -> Finding:
    """The warning that something was not run."""
    return Finding(
        file=str(place),
        line=None,
        column=None,
        rule=NOT_RUN,
        severity=Severity.WARNING,
        message=f"Not checked in a shadow: {reason}.",
    )


@dataclass(frozen=True)
class _Place:
    """A database to migrate. superuser: the same database as who may look at all of it."""

    target: Target
    superuser: Target


@contextmanager
def _empty(
    servers: Servers, sources: Sources, major: str, name: str, administrator: Administrator, roles: frozenset[str]
) -> Iterator[_Place]:
    """A new database on a throw-away server. Raises OperationError when anything but a migration fails in it."""
    try:
        with servers.of(major).database(name, administrator, roles) as ways:
            targets = (Target(way, schema=sources.schema) for way in (ways.administrator, ways.superuser))
            yield _Place(*(target.beside(sources.folder) for target in targets))
    except (DumpError, MigrationError, psycopg.Error) as error:
        raise OperationError(f"{sources.name}: the shadow run could not be finished: {error}") from None


def _run(place: _Place, sources: Sources, lacking: tuple[Finding, ...]) -> Outcome:
    target = place.target
    with Session.open(place.superuser) as session, readable_errors(session, sources.placeholders) as conceal:

        def look() -> list[Entry]:
            return [replace(entry, sql=conceal(entry.sql)) for entry in dump(session.connection)]

        before, known = look(), _done(target)
        started = time.monotonic()
        failures: tuple[Finding, ...] = ()
        try:
            migrate(target, sources.folder, sources.placeholders, _TOLERANT)
        except MigrationError as error:
            failures = (_failed(error, sources.folder, lacking=bool(lacking)),)
        milliseconds = round((time.monotonic() - started) * 1000)
        return Outcome(
            shadow=Shadow(
                server_version=session.facts.server_version.partition(" ")[0],
                applied=tuple(script for rank, script in _done(target).items() if rank not in known),
                complete=not failures,
                changes=changes(before, look()),
                milliseconds=milliseconds,
            ),
            findings=(*lacking, *failures),
        )


def _done(target: Target) -> dict[tuple[bool, int], str]:
    """What the history says is done: rank, of Drizzle's rows one of their own -> script."""
    with Session.open(target) as session:
        rows = session.read_history() if session.facts.recorded else ()
    return {(row.version is None, row.installed_rank): row.script for row in rows if row.success}


def _apply_earlier(target: Target, sources: Sources, since: str, files: Sequence[MigrationFile]) -> None:
    """The versions up to one, and the repeatables as far as they run on those; all of these run again later.

    What the repeatables were at that version nobody knows: of today's, one may need a later version.
    """
    repeatables = {str(file.path) for file in files if file.kind is Kind.REPEATABLE}
    try:
        migrate(target, sources.folder, sources.placeholders, Options(target=since))
    except MigrationError as error:
        if error.file not in repeatables:
            raise
    with target.connect() as connection:
        again = ", ".join(literal(file.script) for file in files if file.kind is Kind.REPEATABLE) or "NULL"
        rows = f"DELETE FROM {target.history_table} WHERE version IS NULL AND script IN ({again})"  # noqa: S608
        connection.execute(rows.encode())


def _failed(error: MigrationError, folder: Path, *, lacking: bool) -> Finding:
    said = " ".join(filter(None, (error.message, error.detail and f"Detail: {error.detail}")))
    here = any(error.sqlstate == state and pattern.search(error.message) for state, pattern in _LACKING)
    if here or lacking:
        reason = "this server lacks what it needs" if here else "it may need what this server lacks"
        return replace(
            not_run(Path(error.file or folder), f"{reason}: {said}".removesuffix(".")),
            line=error.line,
            column=error.column,
            sqlstate=error.sqlstate,
            advice="Neither this file nor those after it are known to run. Name a server that has it: --postgresql.",
        )
    return Finding(
        file=error.file or str(folder),
        line=error.line,
        column=error.column,
        rule=FAILED,
        severity=Severity.ERROR,
        message=said,
        advice=error.hint,
        sqlstate=error.sqlstate,
    )


def _lacking(folder: Path, lacks: Sequence[copies.Lack]) -> tuple[Finding, ...]:
    """One warning for each extension that cannot be had, and one for everything else that is missing."""
    extensions = [lack for lack in lacks if lack.entry.kind == "EXTENSION"]
    others = [lack for lack in lacks if lack.entry.kind not in ("EXTENSION", "COMMENT")]
    found = [not_run(folder, f"the extension {one.entry.name}: {one.reason}") for one in extensions]
    if others:
        listed = "; ".join(
            f"{one.entry.kind.lower()} {one.entry.name}: {one.reason}" for one in islice(others, _LISTED)
        )
        rest = f"; and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
        found.append(
            not_run(folder, f"what needs {len(others)} objects that this server could not make ({listed}{rest})")
        )
    return tuple(found)


def _named_roles(sources: Sources) -> frozenset[str]:
    """The roles that placeholders name, which the cloud makes before migrations run, not those that the files make."""
    if not sources.placeholders:
        return frozenset()
    made = set(_made_roles(sources.folder))
    return frozenset(
        value
        for name, value in sources.placeholders.items()
        if _may_be_role(value) and not made & {value.lower(), f"${{{name}}}".lower()}
    )


def _made_roles(folder: Path) -> Iterator[str]:
    from trellis.migrator import discover

    for file in discover(folder):
        for piece in file.pieces():
            yield from (match[1].lower() for match in _NEW_ROLE.finditer(piece))


def _may_be_role(value: str) -> bool:
    return bool(value) and len(value.encode()) < 64 and not value.startswith("pg_") and value not in ("public", "none")
