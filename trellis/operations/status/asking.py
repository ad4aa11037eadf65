"""Asks the servers: the questions' findings, and the figures that every page shows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import psycopg

from trellis.migrator import MigrationError, Options, info
from trellis.monitoring.findings import Finding, Severity
from trellis.monitoring.limits import LIMITS
from trellis.monitoring.questions import OF_A_CLUSTER, OF_A_DATABASE, SIZES, TOP_STATEMENTS, Question
from trellis.operations import migration_state
from trellis.operations.databases import Sources
from trellis.operations.jobs.runs import Run, newest
from trellis.operations.status.ways import Session, Way, session
from trellis.settings.catalogue import FIRST_DATABASE

_FIGURES = """
SELECT current_setting('server_version') AS version, pg_current_wal_lsn()::text AS position
"""
_CLIENTS = """
SELECT a.usename AS login, a.datname AS database, count(*) AS held,
    count(*) FILTER (WHERE a.state IS DISTINCT FROM 'idle') AS busy
FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
WHERE a.backend_type = 'client backend' AND NOT r.rolsuper AND a.pid <> pg_backend_pid()
GROUP BY 1, 2
"""
_EXTENSION = """
SELECT quote_ident(n.nspname) AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = %(name)s
"""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A server. position: of its write-ahead log. sizes: database -> bytes.

    clients: (login, database) -> connections that it holds, and those of them that are at work.
    """

    version: str
    position: str
    sizes: Mapping[str, int]
    clients: Mapping[tuple[str, str], tuple[int, int]]

    @property
    def bytes(self) -> int:
        """All databases together."""
        return sum(self.sizes.values())

    @property
    def connections(self) -> int:
        """Those of clients, this command's own left out."""
        return sum(held for held, _ in self.clients.values())


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What came of asking: findings, and figures where the server could be reached."""

    findings: tuple[Finding, ...] = ()
    figures: Figures | None = None
    statements: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    runs: Mapping[str, Sequence[Run]] = field(default_factory=dict)
    pending: int | None = None


def ask_cluster(way: Way, connections: int) -> Answers:
    """Asks a server through one of its databases."""
    try:
        with session(way.target) as server:
            figures = Figures(
                **_row(server, _FIGURES),
                sizes={row["name"]: row["bytes"] for row in _rows(server, SIZES)},
                clients={
                    (row["login"], row["database"]): (row["held"], row["busy"]) for row in _rows(server, _CLIENTS)
                },
            )
            return Answers(figures=figures, findings=tuple(_found(server, way.cluster, OF_A_CLUSTER, connections)))
    except (MigrationError, psycopg.Error):
        # The way itself is tried beside this, and its failure told.
        return Answers()


def ask_database(way: Way, sources: Sources, connections: int) -> Answers:
    """Asks a database, and compares its history with the files."""
    where = sources.name
    try:
        with session(way.target) as server:
            findings = list(_found(server, where, OF_A_DATABASE, connections))
            statements = _asked(server, TOP_STATEMENTS, connections)
        with way.target.connect() as plain:
            runs = newest(plain)
        infos = info(way.target, sources.folder, sources.placeholders, Options())
        pending = sum(one.pending for one in migration_state.read(infos, sources.folder))
        if pending:
            findings.append(
                Finding(
                    name="pending-migrations",
                    severity=Severity.WARNING,
                    where=where,
                    what=f"{pending} of the files in {sources.folder} are not applied",
                    do=f"trellis migrate {where}, or deploy",
                )
            )
        failed = [one for one in infos if one.state == "failed"]
        findings += [
            Finding(
                name="failed-migration",
                severity=Severity.CRITICAL,
                where=where,
                what=f"{one.script} failed and stands in the way of every later one",
                do=f"trellis validate {where}",
            )
            for one in failed
        ]
        return Answers(findings=tuple(findings), statements=statements, pending=pending, runs=runs)
    except MigrationError as error:
        return Answers(findings=() if error.message.startswith("No connection") else (_unasked(where, str(error)),))
    except psycopg.Error as error:
        return Answers(findings=(_unasked(where, way.target.conceal(str(error).strip())),))


@dataclass(frozen=True, kw_only=True)
class MachineState:
    """How a self-hosted server's last synchronisation or dump ended."""

    at: datetime
    ok: bool
    message: str


def ask_machine(way: Way | None) -> Mapping[str, MachineState]:
    """What a self-hosted server says of its own work, by name; nothing where it cannot be asked."""
    if way is None:
        return {}
    try:
        with session(way.target.in_database(FIRST_DATABASE)) as server:
            rows = _rows(server, "SELECT name, at, ok, message FROM server.state")
            return {row.pop("name"): MachineState(**row) for row in rows}
    except (MigrationError, psycopg.Error):
        return {}


def _found(server: Session, where: str, questions: Sequence[Question], connections: int) -> Iterator[Finding]:
    for question in questions:
        try:
            rows = _asked(server, question, connections)
        except psycopg.Error as error:
            if server.closed:
                raise
            yield _unasked(where, f"{question.name}: {str(error).strip().splitlines()[0]}")
            continue
        for row in rows:
            place = f", {row['place']}" if row.get("place") else ""
            yield Finding(
                name=question.name,
                severity=Severity.CRITICAL if row.get("critical") else question.severity,
                where=f"{where}{place}",
                what=question.what.format(**row),
                do=question.do.format(**row),
            )


def _unasked(where: str, why: str) -> Finding:
    return Finding(
        name="not-known",
        severity=Severity.WARNING,
        where=where,
        what=f"it could not be asked: {why}",
        do="trellis status, once more; where it stays, look at the server",
    )


def _asked(server: Session, question: Question, connections: int) -> Sequence[Mapping[str, Any]]:
    text = question.sql
    if question.extension:
        found = _rows(server, _EXTENSION, name=question.extension)
        if not found:
            return ()
        text = text.replace("{extension}", found[0]["schema"])
    parameters = {key: value for key, value in asdict(LIMITS).items() if f"%({key})s" in text}
    if "%(connections)s" in text:
        parameters["connections"] = connections
    return _rows(server, text, **parameters)


def _rows(server: Session, text: str, **parameters: Any) -> Sequence[dict[str, Any]]:
    return server.execute(text.encode(), parameters or None).fetchall()


def _row(server: Session, text: str) -> dict[str, Any]:
    (row,) = _rows(server, text)
    return row
