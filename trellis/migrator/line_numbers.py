"""Lines and columns."""

START = (1, 1)


def line_and_column(text: str, offset: int, origin: tuple[int, int] = START) -> tuple[int, int]:
    """Line and column, both from 1, of a character offset; CR, LF and CR LF each end a line.

    origin: line and column of the text's own first character, where it is a part of a file.
    """
    line, column = origin
    ends = text.count("\n", 0, offset) + text.count("\r", 0, offset) - text.count("\r\n", 0, offset)
    if ends == 0:
        return line, column + offset
    start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    return line + ends, offset - start + 1
