"""Passwords as PostgreSQL stores them, so that they need not be sent in plain text."""

import base64
import hashlib
import hmac

ITERATIONS = 4096


def verifier(user: str, password: str) -> str:
    """The SCRAM-SHA-256 verifier of an ASCII password, in the form that CREATE ROLE … PASSWORD takes.

    The salt comes from the password, so that the same password gives the same text and no change is seen where none
    is. That is sound for a long random password, which no table of hashes holds.
    """
    salt = hmac.digest(password.encode(), f"salt of {user}".encode(), "sha256")[:16]
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(ITERATIONS, *encoded)
