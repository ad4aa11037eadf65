"""A migration made ready to run: placeholders replaced, every statement looked at, nothing sent yet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from migrator.errors import MigrationError, ServerError, excerpt_of
from migrator.files import MigrationFile
from migrator.placeholders import Rendered, placeholders_for, render
from migrator.position import line_and_column
from migrator.sql import SqlError, Statement, split
from migrator.statements import Alone, index_build, refusal, runs_alone


@dataclass(frozen=True, slots=True)
class Script:
    """A migration's SQL.

    source: the file's text; rendered: the same with placeholders replaced.
    transactional: whether all of it runs in one transaction.
    """

    file: MigrationFile
    source: str
    rendered: Rendered
    transactional: bool
    conforming: bool

    def statements(self) -> Iterator[Statement]:
        """Its statements, split anew at each call so that a long file is not held twice."""
        return split(self.rendered.text, self.conforming)

    def sql(self, statement: Statement) -> str:
        """The SQL of one of its statements, as it is sent."""
        return self.rendered.text[statement.start : statement.end]

    def excerpt(self, statement: Statement) -> str:
        """A statement as it stands in the file."""
        return excerpt_of(self.source[self.rendered.source_offset(statement.start) : self._source_end(statement)])

    def _source_end(self, statement: Statement) -> int:
        return self.rendered.source_offset(statement.end - 1) + 1

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column in the file of an offset in the rendered text."""
        return line_and_column(self.source, self.rendered.source_offset(offset))

    def error(self, message: str, offset: int, statement: Statement | None = None) -> MigrationError:
        """An error at an offset of the rendered text."""
        line, column = self.place(offset)
        excerpt = self.excerpt(statement) if statement is not None else None
        return MigrationError(message, file=str(self.file.path), line=line, column=column, excerpt=excerpt)

    def server_error(
        self, error: ServerError, statement: Statement | None, offset: int | None = None
    ) -> MigrationError:
        """What the server said about a statement of this file.

        offset: where in the rendered text the server points; otherwise the statement's first character is named.
        """
        if offset is None and statement is not None:
            offset = statement.start
        line, column = (None, None) if offset is None else self.place(offset)
        return MigrationError(
            error.message,
            file=str(self.file.path),
            line=line,
            column=column,
            sqlstate=error.sqlstate,
            detail=error.detail,
            hint=error.hint,
            context=error.context,
            excerpt=None if statement is None else self.excerpt(statement),
        )


def prepare(file: MigrationFile, placeholders: Mapping[str, str], conforming: bool = True) -> Script:
    """Replace the placeholders and read every statement.

    conforming: the server's standard_conforming_strings.
    Raises MigrationError, with line and column, for a placeholder without a value, for text that is no SQL, and for a
    statement that has no place in a migration.
    """
    source = file.text
    if file.config.placeholder_replacement:
        rendered = render(source, placeholders_for(file.script, placeholders), str(file.path))
    else:
        rendered = Rendered(source)
    draft = Script(file, source, rendered, True, conforming)
    alone = False
    try:
        for statement in draft.statements():
            alone = _check(draft, statement) or alone
    except SqlError as error:
        raise draft.error(error.message, error.offset) from None
    transactional = file.config.execute_in_transaction is not False and not alone
    return Script(file, source, rendered, transactional, conforming)


def _check(script: Script, statement: Statement) -> bool:
    """Whether a statement has to run outside a transaction; raises for one that may not run at all."""
    reason = refusal(statement.head, script.sql(statement))
    if reason is not None:
        raise script.error(reason, statement.start, statement)
    kind = runs_alone(statement.head)
    if kind is None:
        return False
    if script.file.config.execute_in_transaction is True:
        raise script.error(
            f"{kind.value} cannot run in a transaction, and {script.file.path.name}.conf asks for one"
            " (executeInTransaction=true)",
            statement.start,
            statement,
        )
    if kind is Alone.CREATE_INDEX and index_build(statement.head) is None:
        raise script.error(
            "CREATE INDEX CONCURRENTLY needs a name for its index here: by that name a half-built index is found and"
            " built again after a failure",
            statement.start,
            statement,
        )
    return True
