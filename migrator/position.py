"""Lines and columns."""

import re

_LINE_END = re.compile(r"\r\n|\r|\n")


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1, of a character offset; CR, LF and CR LF each end a line."""
    line, start = 1, 0
    for match in _LINE_END.finditer(text, 0, offset):
        line += 1
        start = match.end()
    return line, offset - start + 1
