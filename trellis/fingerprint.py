"""Telling that a secret has changed, without telling the secret."""

import hashlib


def fingerprint(text: str) -> str:
    """The first 48 bits of a hash, in hexadecimal.

    A generated password has more than 100 bits: 48 bits of its hash tell nothing about it.
    """
    return hashlib.sha256(text.encode()).hexdigest()[:12]
