"""Which files are reviewed, and where the result goes."""

import json
from argparse import Namespace
from collections.abc import Sequence

from migrator import Kind, MigrationError, MigrationFile, discover
from migrator.history import TABLE
from migrator.versions import version_key
from operations import plans
from operations.check.findings import Review
from operations.check.rendering import as_markdown, as_text
from operations.check.review import refused, review
from operations.databases import Database, Sources, opened, sources
from operations.errors import OperationError
from operations.reachable import with_advice
from operations.terminal import say, tell


def run(options: Namespace) -> int:
    """Reviews the files that the arguments name; exit code 1 when a finding is an error."""
    reviews: list[tuple[str, Review]] = []
    if options.all or options.since is not None or (options.folder is not None and options.url is None):
        if options.folder is not None and not options.all and options.since is None:
            tell("No database is named, so every file counts as pending. --since VERSION narrows that.")
        reviews = [(one.name, _review(one, options.since)) for one in sources(options)]
    else:
        with opened(options) as (databases, warnings):
            for warning in warnings:
                tell(f"warning: {warning}")
            reviews = [(one.name, _review_pending(one)) for one in databases]
    if options.json:
        say(json.dumps(_values(reviews)))
    else:
        say((as_markdown if options.markdown else as_text)(reviews))
    return 1 if any(one.errors for _, one in reviews) else 0


def _values(reviews: Sequence[tuple[str, Review]]) -> dict[str, object]:
    return {
        "command": "check",
        "ok": not any(one.errors for _, one in reviews),
        "databases": [
            {
                "database": name,
                "ok": not one.errors,
                "files": one.files,
                "findings": [finding.to_dict() for finding in one.findings],
            }
            for name, one in reviews
        ],
    }


def _review(one: Sources, since: str | None) -> Review:
    try:
        files = discover(one.folder)
    except MigrationError as error:
        return _unreadable(error)
    if since is not None:
        files = tuple(file for file in files if file.kind is Kind.REPEATABLE or file.version_key > version_key(since))
    return review(_chain(files), _placeholders(one), one.postgresql)


def _review_pending(database: Database) -> Review:
    one = database.sources
    try:
        files = discover(one.folder)
    except MigrationError as error:
        return _unreadable(error)
    try:
        pending = plans.to_come(database, files)
    except MigrationError as error:
        raise OperationError(f"{database.name}: {with_advice(error, database.target)}") from None
    return review(pending, _placeholders(one), one.postgresql)


def _unreadable(error: MigrationError) -> Review:
    # A folder that is not there is a wrong call; a file in it that cannot be used is a finding.
    if error.file is None:
        raise OperationError(str(error))
    return Review(files=1, findings=(refused(error),))


def _chain(files: Sequence[MigrationFile]) -> Sequence[MigrationFile]:
    """The versioned files in order; a baseline repeats what they do."""
    return [file for file in files if file.kind is not Kind.BASELINE]


def _placeholders(one: Sources) -> dict[str, str]:
    # Flyway's own, with stand-ins for what only a connection tells.
    return {
        **one.placeholders,
        "flyway:defaultSchema": one.schema,
        "flyway:user": "doadmin",
        "flyway:database": one.database,
        "flyway:timestamp": "2000-01-01 00:00:00",
        "flyway:table": TABLE,
    }
