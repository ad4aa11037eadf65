"""Secret values of app specs, sealed the way App Platform shows them: EV[1:<nonce>:<ciphertext>]."""

import base64
import os
import re
import secrets
import string
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from localcloud import files
from localcloud.state import StateError

_SEALED = re.compile(r"^EV\[1:([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)\]$")
_NONCE_BYTES = 12
_ALPHABET = string.ascii_letters + string.digits
_PASSWORD_LENGTH = 19


class NotSealedHere(Exception):
    """An EV[...] value that was not made by this local cloud."""


def generate_password() -> str:
    """A database password of the form DigitalOcean hands out; safe in a URL without escaping."""
    return "AVNS_" + "".join(secrets.choice(_ALPHABET) for _ in range(_PASSWORD_LENGTH))


def _cipher(text: str) -> AESGCM:
    try:
        return AESGCM(base64.b64decode(text, validate=True))
    except ValueError as problem:
        raise files.Cut(str(problem)) from problem


class Vault:
    """Seals and opens values with a key that is made once and lives in the state folder."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            files.replace(path, base64.b64encode(AESGCM.generate_key(bit_length=256)).decode(), copy=True)
        try:
            self._cipher = files.read(path, _cipher)
        except ValueError as problem:
            raise StateError(
                f"{path} holds no key ({problem}), and without it no sealed value can be opened. Put it back from a "
                "copy. `python -m localcloud reset` starts again from nothing."
            ) from problem

    @staticmethod
    def is_sealed(value: str) -> bool:
        return _SEALED.match(value) is not None

    def seal(self, value: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, value.encode(), None)
        return f"EV[1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}]"

    def open(self, value: str) -> str:
        """The plain value. Raises NotSealedHere."""
        match = _SEALED.match(value)
        if match is None:
            raise NotSealedHere(value)
        try:
            nonce, sealed = (base64.b64decode(part, validate=True) for part in match.groups())
            return self._cipher.decrypt(nonce, sealed, None).decode()
        except (InvalidTag, ValueError) as problem:
            raise NotSealedHere(value) from problem
