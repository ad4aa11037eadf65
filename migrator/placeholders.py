"""Replacing `${name}` in a migration, and finding the way back from the result to the file."""

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from migrator.errors import MigrationError
from migrator.position import line_and_column

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


def placeholders_for(script: str, placeholders: Mapping[str, str]) -> dict[str, str]:
    """The placeholders of one file: those of the run, and Flyway's own `flyway:filename`."""
    return {**placeholders, "flyway:filename": script}


def render(text: str, placeholders: Mapping[str, str], file: str) -> Rendered:
    """Replace every `${name}`, whatever its letters' case; values are not searched again.

    Raises MigrationError with file, line and column for a name without a value and for a `${` never closed.
    """
    if "${" not in text:
        return Rendered(text)
    values = {name.lower(): value for name, value in placeholders.items()}
    pieces: list[str] = []
    replaced: list[tuple[int, int, int, int]] = []
    done = length = 0
    start = text.find("${")
    while start >= 0:
        match = _PLACEHOLDER.match(text, start)
        if match is None:
            raise _error("this placeholder is never closed: a } is missing", text, start, file)
        value = values.get(match[1].lower())
        if value is None:
            known = ", ".join(sorted(f"${{{name}}}" for name in placeholders)) or "none"
            raise _error(f"no value is given for the placeholder {match[0]}. Known are: {known}", text, start, file)
        pieces += (text[done:start], value)
        length += start - done
        replaced.append((length, length + len(value), start, match.end()))
        length += len(value)
        done = match.end()
        start = text.find("${", done)
    pieces.append(text[done:])
    return Rendered("".join(pieces), tuple(end for _, end, _, _ in replaced), tuple(replaced))


def _error(message: str, text: str, offset: int, file: str) -> MigrationError:
    line, column = line_and_column(text, offset)
    return MigrationError(message, file=file, line=line, column=column)
