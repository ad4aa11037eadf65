"""Flyway's checksum of a migration file."""

import zlib

_BOM = b"\xef\xbb\xbf"


def checksum(content: bytes) -> int:
    """CRC32 over the UTF-8 text without line ends, as the signed 32-bit number Flyway stores.

    Line ends are CR and LF only: Java's reader does not break lines at form feed, NEL or U+2028.
    One byte order mark at the very start does not count, so a file hashes the same with and without it.
    """
    body = content.removeprefix(_BOM).translate(None, b"\r\n")
    unsigned = zlib.crc32(body)
    return unsigned - (1 << 32) if unsigned >= 1 << 31 else unsigned
