"""Texts that a program hands on, and what they hold when they are decoded."""

import base64
import binascii
import re
import zlib
from collections.abc import Iterator

_BASE64 = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")
_LONGEST = 1_000_000


def readings(text: str) -> Iterator[str]:
    """A text, and every text in it that stands there in base64, compressed or not."""
    yield text
    for match in _BASE64.finditer(text[:_LONGEST]):
        if (found := decoded(match[0])) is not None:
            yield found


def decoded(text: str) -> str | None:
    """What base64 stands for; None where that is no text."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        if data.startswith(b"\x1f\x8b"):
            data = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(data, _LONGEST)
        found = data.decode()
    except (binascii.Error, zlib.error, UnicodeDecodeError):
        return None
    return found if all(one.isprintable() or one.isspace() for one in found) else None
