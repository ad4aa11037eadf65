"""The text of a migration file: read a mebibyte at a time, for it may be larger than the memory; its checksum, and its
lines and columns.
"""

import codecs
import zlib
from collections.abc import Iterator
from pathlib import Path

from trellis.migrator.errors import MigrationError

# Bytes read at once, and characters handed to the server in one message.
PIECE = 1 << 20

# Line and column of a text's first character.
START = (1, 1)

_BOM = b"\xef\xbb\xbf"


class Checksum:
    """CRC32 over the UTF-8 text without line ends, as the signed 32-bit number Flyway stores.

    Line ends are CR and LF only: Java's reader does not break lines at form feed, NEL or U+2028.
    One byte order mark at the very start does not count, so a file hashes the same with and without it.
    """

    def __init__(self) -> None:
        self._crc = 0
        self._begun = False

    def update(self, piece: bytes) -> None:
        """Take the next piece; the first one holds at least the byte order mark, if there is one."""
        body = piece if self._begun else piece.removeprefix(_BOM)
        self._begun = self._begun or bool(piece)
        self._crc = zlib.crc32(body.translate(None, b"\r\n"), self._crc)

    @property
    def value(self) -> int:
        """The checksum of all pieces so far."""
        return self._crc - (1 << 32) if self._crc >= 1 << 31 else self._crc


def checksum(content: bytes) -> int:
    """The checksum of a text held whole."""
    whole = Checksum()
    whole.update(content)
    return whole.value


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
