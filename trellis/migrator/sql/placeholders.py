"""Replacing `${name}` in a migration, and finding the way back from the result to the file."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from trellis.migrator.errors import MigrationError

from .text import START, line_and_column

_PLACEHOLDER = re.compile(r"\$\{(.*?)\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A migration's text with its placeholders replaced.

    ends: for each replacement, where its value ends in `text`, ascending.
    replaced: for each replacement, (start and end of the value in `text`, start and end of `${name}` in the file).
    """

    text: str
    ends: tuple[int, ...] = ()
    replaced: tuple[tuple[int, int, int, int], ...] = ()

    def source_offset(self, offset: int) -> int:
        """Where in the file's text a place of the rendered text comes from; inside a value: where `${` stands."""
        index = bisect_right(self.ends, offset)
        if index < len(self.replaced):
            start, _, source_start, _ = self.replaced[index]
            if offset >= start:
                return source_start
        if index == 0:
            return offset
        _, end, _, source_end = self.replaced[index - 1]
        return source_end + (offset - end)

    def source_cut(self, offset: int) -> int | None:
        """Where to cut the file's text so that the rendered text ends at an offset; None in the midst of a value."""
        index = bisect_right(self.ends, offset)
        if index < len(self.replaced) and self.replaced[index][0] < offset:
            return None
        return offset if index == 0 else self.replaced[index - 1][3] + (offset - self.replaced[index - 1][1])


def placeholders_for(script: str, placeholders: Mapping[str, str]) -> dict[str, str]:
    """The placeholders of one file: those of the run, and Flyway's own `flyway:filename`."""
    return {**placeholders, "flyway:filename": script}


def render(text: str, placeholders: Mapping[str, str], file: str, origin: tuple[int, int] = START) -> Rendered:
    """Replace every `${name}`, whatever its letters' case; values are not searched again.

    origin: line and column at which the text begins in its file.
    Raises MigrationError with file, line and column for a name without a value and for a `${` never closed.
    """
    if "${" not in text:
        return Rendered(text)
    values = {name.lower(): value for name, value in placeholders.items()}
    parts: list[str] = []
    replaced: list[tuple[int, int, int, int]] = []
    done = length = 0
    start = text.find("${")

    def refuse(message: str) -> MigrationError:
        line, column = line_and_column(text, start, origin)
        return MigrationError(message, file=file, line=line, column=column)

    while start >= 0:
        match = _PLACEHOLDER.match(text, start)
        if match is None:
            raise refuse("this placeholder is never closed: a } is missing")
        value = values.get(match[1].lower())
        if value is None:
            known = ", ".join(sorted(f"${{{name}}}" for name in placeholders)) or "none"
            raise refuse(f"no value is given for the placeholder {match[0]}. Known are: {known}")
        parts += (text[done:start], value)
        length += start - done
        replaced.append((length, length + len(value), start, match.end()))
        length += len(value)
        done = match.end()
        start = text.find("${", done)
    parts.append(text[done:])
    return Rendered("".join(parts), tuple(end for _, end, _, _ in replaced), tuple(replaced))


def whole_placeholders(text: str) -> int:
    """How much of a text that goes on can be rendered by itself: up to a placeholder that is not closed yet."""
    start = text.rfind("$")
    unfinished = start >= 0 and text[start + 1 : start + 2] in ("", "{") and "}" not in text[start:]
    return start if unfinished else len(text)


def render_pieces(pieces: Iterable[str], placeholders: Mapping[str, str], file: str) -> Iterator[str]:
    """The same for a text that comes in pieces."""
    rest, origin = "", START
    for piece in pieces:
        text = rest + piece
        cut = whole_placeholders(text)
        yield render(text[:cut], placeholders, file, origin).text
        origin = line_and_column(text, cut, origin)
        rest = text[cut:]
    yield render(rest, placeholders, file, origin).text
