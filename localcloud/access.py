"""The token that every call must carry: made once for each state folder, and read by the folder's owner alone."""

import hmac
import re
import secrets
from pathlib import Path

from localcloud import files

# Cloudflare's official provider takes tokens of exactly 40 such characters.
_FORM = re.compile(r"[0-9a-f]{40}")


def find_token(file: Path) -> str:
    """The token in the file; "" while there is none."""
    text = file.read_text("utf-8", "replace") if file.exists() else ""
    return text if _FORM.fullmatch(text) else ""


def issue_token(file: Path) -> str:
    """The token in the file, made when there is none, or one that was cut."""
    if not find_token(file):
        files.replace(file, secrets.token_hex(20))
    return find_token(file)


def carries(authorization: str, token: str) -> bool:
    """Whether an Authorization header has the token. Takes as long for a nearly right one as for any other."""
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
