"""A migration looked at before anything is sent: placeholders replaced, every statement read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trellis.migrator.errors import MigrationError

from .comments import NO_COMMENTS, CommentError, Comments, misplaced_comment, read_comments
from .files import MigrationFile
from .journal import BREAKPOINT
from .part import Part, parts
from .splitter import SqlError, Statement
from .statements import NonTransactional, controls_transaction, index_build, non_transactional_kind, refusal

_ONE_TRANSACTION = (
    "What Drizzle has pending is one transaction; a repeatable beside it, R__Description.sql, may go without"
)


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of a migration whose statements were all read.

    transactional: whether all of it runs in one transaction. statements: how many there are.
    comments: the settings at its head. legacy: whether it ends transactions or brings rows of its own, so that it runs
    as Flyway would run it.
    """

    transactional: bool
    statements: int
    comments: Comments
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class Script(Part):
    """A migration's whole SQL. transactional, comments: as in `Survey`."""

    transactional: bool = True
    comments: Comments = NO_COMMENTS


def survey(file: MigrationFile, placeholders: Mapping[str, str], conforming: bool = True) -> Survey:
    """Replace the placeholders and read every statement, without holding a large file whole.

    conforming: the server's standard_conforming_strings.
    Raises MigrationError, with line and column, for a placeholder without a value, for text that is no SQL, for a
    statement that has no place in a migration and for a setting in a comment that cannot be.
    """
    return _survey(file, parts(file, placeholders, conforming))


def prepare(file: MigrationFile, placeholders: Mapping[str, str], conforming: bool = True) -> Script:
    """The whole SQL of a migration that a run would accept. Raises MigrationError as `survey` does."""
    whole = list(parts(file, placeholders, conforming))
    if len(whole) > 1:
        whole = list(parts(file, placeholders, conforming, size=sum(len(part.source) for part in whole) + 1))
    found = _survey(file, whole)
    (part,) = whole
    return Script(file, part.source, part.rendered, conforming, part.origin, found.transactional, found.comments)


def _survey(file: MigrationFile, whole: Iterable[Part]) -> Survey:
    outside = legacy = False
    count = 0
    comments = NO_COMMENTS
    for part in whole:
        end = 0
        try:
            for statement in part.statements():
                comments = _read_comments(part, end, statement.start, first=not count) or comments
                outside = _check(part, statement) or outside
                if file.legacy:
                    legacy = legacy or statement.rows is not None or controls_transaction(statement.head)
                end = statement.end
                count += 1
            comments = _read_comments(part, end, len(part.rendered.text), first=not count) or comments
        except SqlError as error:
            raise part.error(error.message, error.offset) from None
    if file.digest is not None and comments.no_transaction:
        raise MigrationError(f"Its comment says no-transaction. {_ONE_TRANSACTION}", file=str(file.path))
    wanted = file.config.execute_in_transaction
    if comments.no_transaction and wanted is True:
        raise MigrationError(
            f"Its comment says no-transaction, and {file.path.name}.conf says executeInTransaction=true. Keep one.",
            file=str(file.path),
        )
    return Survey(wanted is not False and not comments.no_transaction and not outside, count, comments, legacy)


def _read_comments(part: Part, start: int, end: int, *, first: bool) -> Comments | None:
    """The settings in what stands before a statement; None before any but the first."""
    gap = part.rendered.text[start:end]
    if not first:
        misplaced = misplaced_comment(gap)
        if misplaced is not None:
            raise part.error(
                "A setting of the whole file has to stand above its first statement. Move the comment there.",
                start + misplaced,
            )
        return None
    try:
        return read_comments(gap)
    except CommentError as error:
        raise part.error(error.message, start + error.offset) from None


def _check(part: Part, statement: Statement) -> bool:
    """Whether a statement has to run outside a transaction; raises for one that may not run at all."""
    reason = refusal(statement.head, part.sql(statement), legacy=part.file.legacy)
    if reason is not None:
        raise part.error(reason, statement.start, statement)
    if part.file.digest is not None and BREAKPOINT in part.source[statement.start : statement.end]:
        raise part.error(
            f"This statement holds a `{BREAKPOINT}` in a comment or a text, and Drizzle would cut it there",
            statement.start,
            statement,
        )
    kind = non_transactional_kind(statement.head)
    if kind is None:
        return False
    if part.file.digest is not None and not part.file.legacy:
        raise part.error(f"{kind.value} cannot run in a transaction. {_ONE_TRANSACTION}", statement.start, statement)
    if part.file.config.execute_in_transaction is True:
        raise part.error(
            f"{kind.value} cannot run in a transaction, and {part.file.path.name}.conf asks for one"
            " (executeInTransaction=true)",
            statement.start,
            statement,
        )
    if kind is NonTransactional.CREATE_INDEX and index_build(statement.head) is None:
        raise part.error(
            "CREATE INDEX CONCURRENTLY needs a name for its index here: by that name a half-built index is found and"
            " built again after a failure",
            statement.start,
            statement,
        )
    return True
