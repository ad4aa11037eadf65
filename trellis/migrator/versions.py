"""Flyway's version numbers."""

import re
from functools import lru_cache

_VERSION = re.compile(r"[0-9]+(?:[._][0-9]+)*")

VersionKey = tuple[int, ...]


def is_version(text: str) -> bool:
    """Whether the text is a version: whole numbers joined by dots or underscores."""
    return _VERSION.fullmatch(text) is not None


def version_text(raw: str) -> str:
    """The version as the history table holds it: underscores become dots, zeros stay ("1_0" is "1.0")."""
    return raw.replace("_", ".")


@lru_cache(maxsize=8192)
def version_key(text: str) -> VersionKey:
    """A key by which versions sort and are equal: 1.9 before 1.10, and 1 the same as 1.0.0.

    Raises ValueError when the text is no version.
    """
    if not is_version(text):
        raise ValueError(f"{text!r} is not a version: whole numbers joined by dots are")
    parts = [int(part) for part in version_text(text).split(".")]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return tuple(parts)
