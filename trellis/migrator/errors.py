"""What went wrong, where, and what the database holds now."""

from collections.abc import Iterator

_EXCERPT_LINES = 6
_EXCERPT_WIDTH = 160

# A statement that could not get a lock in time, a deadlock's victim, a serialisation failure: the next try may pass.
_RETRYABLE = frozenset({"55P03", "40P01", "40001"})


class MigrationError(Exception):
    """A run that could not go on, told for the person who has to act.

    message: what is wrong, one sentence, and what is allowed where that helps.
    file: path of the migration file, as the caller named its folder; None when no file is at fault.
    line, column: where in the file, both from 1; column counts characters.
    sqlstate, detail, hint, context: as the server sent them.
    excerpt: the statement as it stands in the file, placeholders not yet replaced, so no value shows.
    state: what the database holds now.

    `str()` gives all of it as plain lines. Neither a password nor a connection string is ever part of it.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
        sqlstate: str | None = None,
        detail: str | None = None,
        hint: str | None = None,
        context: str | None = None,
        excerpt: str | None = None,
        state: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line
        self.column = column
        self.sqlstate = sqlstate
        self.detail = detail
        self.hint = hint
        self.context = context
        self.excerpt = excerpt
        self.state = state

    @property
    def place(self) -> str | None:
        """File, line and column in words, as far as they are known."""
        if self.file is None:
            return None
        place = self.file
        if self.line is not None:
            place += f", line {self.line}"
            if self.column is not None:
                place += f", column {self.column}"
        return place

    def _lines(self) -> Iterator[str]:
        first = f"{self.place}: {self.message}" if self.place else self.message
        yield f"{first} (SQLSTATE {self.sqlstate})" if self.sqlstate else first
        if self.excerpt:
            yield from (f"    {line}" for line in self.excerpt.splitlines())
        if self.detail:
            yield f"Detail: {self.detail}"
        if self.hint:
            yield f"Hint: {self.hint}"
        if self.context:
            yield f"Context: {self.context}"
        if self.state:
            yield self.state

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def to_dict(self) -> dict[str, str | int | None]:
        """The same, as values for JSON."""
        names = ("message", "file", "line", "column", "sqlstate", "detail", "hint", "context", "excerpt", "state")
        return {name: getattr(self, name) for name in names}


class ServerError(Exception):
    """An error the server reported, or the end of the connection.

    position: offset from 0, in characters, in the text that was sent; None when the server names none.
    lost: whether the connection is gone.
    """

    def __init__(
        self,
        message: str,
        *,
        sqlstate: str | None = None,
        detail: str | None = None,
        hint: str | None = None,
        context: str | None = None,
        position: int | None = None,
        lost: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.detail = detail
        self.hint = hint
        self.context = context
        self.position = position
        self.lost = lost

    @property
    def retryable(self) -> bool:
        """Whether the same may succeed when tried again."""
        return self.sqlstate in _RETRYABLE


def excerpt_of(statement: str) -> str:
    """The first lines of a statement, each cut to a width that reads well in a terminal."""
    lines = statement.strip().splitlines()
    shown = [line if len(line) <= _EXCERPT_WIDTH else line[: _EXCERPT_WIDTH - 3] + "..." for line in lines]
    if len(shown) > _EXCERPT_LINES:
        shown = [*shown[:_EXCERPT_LINES], "..."]
    return "\n".join(shown)
