"""The text of a migration file, read a mebibyte at a time: a file may be larger than the memory."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from trellis.migrator.checksum import Checksum
from trellis.migrator.errors import MigrationError
from trellis.migrator.line_numbers import line_and_column

# Bytes read at once, and characters handed to the server in one message.
PIECE = 1 << 20


def scan(path: Path) -> int:
    """The checksum of a file that is UTF-8 text without NUL.

    Raises MigrationError, with line and column, for any other; OSError when the file cannot be read.
    """
    found = Checksum()
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as stream:
        piece = b"..."
        while piece:
            piece = stream.read(PIECE)
            try:
                text = decoder.decode(piece, final=not piece)
            except UnicodeDecodeError:
                text = "\0"
            if "\0" in text:
                raise _no_text(path)
            found.update(piece)
    return found.value


def _no_text(path: Path) -> MigrationError:
    content = path.read_bytes()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        bad, message = error.start, f"The byte 0x{content[error.start]:02X} is not UTF-8. Save the file as UTF-8."
    else:
        bad, message = content.find(b"\0"), "A NUL byte cannot be part of SQL; is this a binary file, or UTF-16?"
    before = content[:bad].decode()
    line, column = line_and_column(before, len(before))
    return MigrationError(message, file=str(path), line=line, column=column)


def pieces(path: Path, checksum: int) -> Iterator[str]:
    """The text of a file whose checksum is known, without a byte order mark, about a mebibyte at a time.

    The last piece is only given when the whole is what the checksum says. Raises MigrationError otherwise.
    """
    found = Checksum()
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    text = ""
    try:
        with path.open("rb") as stream:
            while piece := stream.read(PIECE):
                if text:
                    yield text
                found.update(piece)
                text = decoder.decode(piece)
    except (OSError, UnicodeDecodeError):
        raise _changed(path) from None
    if found.value != checksum:
        raise _changed(path)
    if text:
        yield text


def _changed(path: Path) -> MigrationError:
    return MigrationError("The file was changed or removed while the migrator was at work.", file=str(path))
