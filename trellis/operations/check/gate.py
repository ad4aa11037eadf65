"""The review of whole databases: their files as they stand, and what a shadow run makes of them.

For other commands: `review_pending` and `review_chain` give a `Review`, whose parts all have `to_dict()`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from trellis.migrator import Kind, MigrationError, MigrationFile, discover, validate
from trellis.migrator.history import TABLE
from trellis.migrator.versions import version_key
from trellis.operations import plans
from trellis.operations.check.breaking import breaking, sql_names, widened
from trellis.operations.check.findings import Finding, Review
from trellis.operations.check.review import accepted, read, refused
from trellis.operations.check.shadow.administrator import DIGITALOCEAN
from trellis.operations.check.shadow.changes import Change, How
from trellis.operations.check.shadow.run import Outcome, not_run, run_chain, run_pending
from trellis.operations.check.shadow.server import Servers
from trellis.operations.connection_advice import with_advice
from trellis.operations.databases import Database, Sources
from trellis.operations.errors import OperationError


def review_pending(database: Database, servers: Servers | None) -> Review:
    """The review of the files that a database does not have yet; the database is only read.

    servers: where they are run; None to look at them only. Raises OperationError when the database cannot be reached,
    and when squawk or a server is missing.
    """
    sources = database.sources

    def run(files: Sequence[MigrationFile], servers: Servers) -> Outcome:
        return run_pending(servers, database, files)

    try:
        barred = plans.unrecorded(database)
        problems = [barred] if barred else validate(database.target, sources.folder, sources.placeholders)
        # A file that was deleted is named by the history alone.
        findings = [replace(found, file=found.file or str(sources.folder)) for found in map(refused, problems)]
        return _review(sources, lambda files: plans.to_come(database, files), servers, run, findings)
    except MigrationError as error:
        raise OperationError(
            f"{database.name}: {with_advice(error, database.target)}\nWithout a database: --all or --since VERSION."
        ) from None


def review_chain(sources: Sources, since: str | None, servers: Servers | None) -> Review:
    """The review of a folder's files without a database: of all, or of the versions above one and the repeatables.

    servers: where they are run, after the versions up to `since`; None to look at them only. Raises OperationError when
    squawk or a server is missing.
    """

    def run(files: Sequence[MigrationFile], servers: Servers) -> Outcome:
        return run_chain(servers, sources, files, since)

    def chosen(files: Sequence[MigrationFile]) -> Sequence[MigrationFile]:
        # A baseline repeats what the versions do.
        return [file for file in files if file.kind is not Kind.BASELINE and _above(file, since)]

    return _review(sources, chosen, servers, run)


def _above(file: MigrationFile, since: str | None) -> bool:
    return since is None or file.kind is Kind.REPEATABLE or file.version_key > version_key(since)


def _review(
    sources: Sources,
    choose: Callable[[Sequence[MigrationFile]], Sequence[MigrationFile]],
    servers: Servers | None,
    run: Callable[[Sequence[MigrationFile], Servers], Outcome],
    barred: Sequence[Finding] = (),
) -> Review:
    try:
        every = discover(sources.folder)
    except MigrationError as error:
        # A folder that is not there is a wrong call; a file in it that cannot be used is a finding.
        if error.file is None:
            raise OperationError(str(error)) from None
        return Review(files=1, findings=(refused(error),))
    files = choose(every)
    checked, unfit = accepted(files, placeholders(sources))
    refusals = list(dict.fromkeys([*barred, *unfit]))
    outcome = Outcome(shadow=None, findings=())
    if refusals and servers is not None:
        outcome = Outcome(shadow=None, findings=(not_run(sources.folder, "the migrator refuses to begin"),))
    elif files and servers is not None:
        outcome = run(files, servers)
    changes = outcome.shadow.changes if outcome.shadow else ()
    made, wider = _made(changes, sources.schema), widened(changes, sources.schema)
    found = read(checked, sources.postgresql, made, wider)
    findings = [*refusals, *found.findings, *outcome.findings]
    findings += breaking(changes, checked, findings, sources.folder)
    return Review(
        files=len(files),
        findings=_sorted(findings, files),
        risks=found.risks,
        shadow=outcome.shadow,
        waivers=tuple(waiver for one in checked for waiver in one.waivers),
    )


def _made(changes: Sequence[Change], default: str) -> frozenset[str]:
    """The tables and views that were made, as SQL names them; without schema too in the default one."""
    return frozenset(
        name
        for one in changes
        if one.change is How.ADDED and one.kind in ("table", "view", "materialized view")
        for name in sql_names(one.name, default)
    )


def _sorted(findings: Sequence[Finding], files: Sequence[MigrationFile]) -> tuple[Finding, ...]:
    order = {str(file.path): number for number, file in enumerate(files)}
    # What concerns no reviewed file, or all of them, comes last.
    return tuple(
        sorted(
            findings,
            key=lambda one: (order.get(one.file, len(order)), one.line or 0, one.column or 0, one.rule),
        )
    )


def placeholders(one: Sources) -> dict[str, str]:
    """What stands for the placeholders of a database's files: Flyway's own too, as far as no connection is needed."""
    return {
        **one.placeholders,
        "flyway:defaultSchema": one.schema,
        "flyway:user": DIGITALOCEAN.name,
        "flyway:database": one.database,
        "flyway:timestamp": "2000-01-01 00:00:00",
        "flyway:table": TABLE,
    }
