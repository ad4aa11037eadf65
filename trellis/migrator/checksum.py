"""Flyway's checksum of a migration file."""

import zlib

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
