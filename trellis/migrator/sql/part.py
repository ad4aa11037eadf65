"""A migration's SQL in parts that fit into memory, each ready to be sent and to say where in the file it stands."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile

from trellis.migrator.errors import MigrationError, ServerError, excerpt_of

from .files import MigrationFile
from .journal import BREAKPOINT, SEPARATOR
from .placeholders import Rendered, placeholders_for, render, whole_placeholders
from .splitter import SqlError, Statement, UnclosedSql, split
from .text import PIECE, START, line_and_column


@dataclass(frozen=True, slots=True)
class Part:
    """Whole statements of a migration, one after another; most migrations are one part.

    source: the file's text; rendered: the same with placeholders replaced. origin: line and column of its beginning.
    """

    file: MigrationFile
    source: str
    rendered: Rendered
    conforming: bool
    origin: tuple[int, int] = START

    def statements(self) -> Iterator[Statement]:
        """Its statements, split anew at each call so that they are not all held at once."""
        return split(self.rendered.text, self.conforming, self.file.legacy)

    def sql(self, statement: Statement) -> str:
        """The SQL of one of its statements, as it is sent."""
        return self.rendered.text[statement.start : statement.end]

    def rows(self, statement: Statement) -> str | None:
        """The rows that one of its statements copies in, without the line that ends them; None without any."""
        if statement.rows is None:
            return None
        rows = self.rendered.text[statement.rows : statement.end]
        return rows[: rows.rindex("\\.")]

    def excerpt(self, statement: Statement) -> str:
        """A statement as it stands in the file."""
        return excerpt_of(self.source[self.rendered.source_offset(statement.start) : self._source_end(statement)])

    def _source_end(self, statement: Statement) -> int:
        return self.rendered.source_offset(statement.end - 1) + 1

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column in the file of an offset in the rendered text."""
        return line_and_column(self.source, self.rendered.source_offset(offset), self.origin)

    def error(self, message: str, offset: int, statement: Statement | None = None) -> MigrationError:
        """An error at an offset of the rendered text."""
        line, column = self.place(offset)
        excerpt = self.excerpt(statement) if statement is not None else None
        return MigrationError(message, file=str(self.file.path), line=line, column=column, excerpt=excerpt)

    def server_error(
        self, error: ServerError, statement: Statement | None, offset: int | None = None
    ) -> MigrationError:
        """What the server said about a statement of this part.

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


def parts(
    file: MigrationFile, placeholders: Mapping[str, str], conforming: bool = True, size: int = PIECE
) -> Iterator[Part]:
    """A migration's text in parts of about `size` characters, cut where a statement ends; an empty file is one part.

    Only a statement larger than that makes a larger part. conforming: the server's standard_conforming_strings.
    Raises MigrationError, with line and column, for a placeholder without a value and for text that is no SQL.
    """
    values = placeholders_for(file.script, placeholders)
    source, origin, wanted = "", START, size
    pieces = file.pieces()
    whole = False
    while True:
        while len(source) < wanted and not whole:
            piece = next(pieces, None)
            source += piece or ""
            whole = piece is None
        part = _part(file, source if whole else source[: whole_placeholders(source)], values, conforming, origin)
        if whole:
            yield part
            return
        cut = _last_end(part)
        if cut is None:
            wanted = 2 * len(source)
            continue
        yield _part(file, source[:cut], values, conforming, origin)
        origin = line_and_column(source, cut, origin)
        source, wanted = source[cut:], size


def _part(
    file: MigrationFile, source: str, values: Mapping[str, str], conforming: bool, origin: tuple[int, int]
) -> Part:
    replace = file.config.placeholder_replacement
    if file.digest is not None:
        rendered = Rendered(source.replace(BREAKPOINT, SEPARATOR))
    else:
        rendered = render(source, values, str(file.path), origin) if replace else Rendered(source)
    return Part(file, source, rendered, conforming, origin)


def _last_end(part: Part) -> int | None:
    """Where in the file's text its last statement ends that the text is sure to hold whole; None without one."""
    cut = None
    length = len(part.rendered.text)
    try:
        for statement in takewhile(lambda statement: statement.end < length, part.statements()):
            end = part.rendered.source_cut(statement.end)
            cut = cut if end is None else end
    except UnclosedSql:
        pass
    except SqlError as error:
        raise part.error(error.message, error.offset) from None
    return cut
