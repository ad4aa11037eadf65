"""Files that let psql and other libpq clients reach a stack's databases without a password on a command line."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from trellis.writing import PRIVATE, replace

FOLDER = "TRELLIS_CONNECT"
"""The variable that names a folder where every deployment writes its stack's files, in a folder of the stack's name."""
_SERVICES = "pg_service.conf"


def services(folder: Path) -> list[str]:
    """The names of the services that are written there."""
    return re.findall(r"^\[(.+)\]$", (folder / _SERVICES).read_text(), re.MULTILINE)


def write(folder: Path, outputs: Mapping[str, Any]) -> None:
    """Writes a service file, a password file and the CA certificates of a stack. Raises OSError.

    outputs: the stack's outputs with secrets shown. A service is named like its pool; the administrator's direct
    connection is `<database>-direct`, a replica's `<pool>-<number>-replica`. That of a login for which there is no pool
    is `<login>-<database>`, and any login's on a replica `<login>-<database>-replica-<number>`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found: dict[str, tuple[str, str]] = {}
    for cluster, certificate in outputs["ca_certificates"].items():
        authority = folder / f"{cluster}.crt"
        replace(authority, certificate, PRIVATE)
        for kind, suffix in (("pooled_uris", ""), ("direct_uris", "-direct"), ("replica_uris", "-replica")):
            for name, uri in outputs.get(kind, {}).get(cluster, {}).items():
                found[f"{name}{suffix}"] = (uri, str(authority))
        for login, ways in outputs.get("login_uris", {}).get(cluster, {}).items():
            found |= {f"{login}-{way}": (uri, str(authority)) for way, uri in ways.items()}
    entries, passwords = [], []
    for name, (uri, authority_path) in found.items():
        part = urlsplit(uri)
        user, database = unquote(part.username or ""), unquote(part.path[1:])
        entries.append(
            f"[{name}]\nhost={part.hostname}\nport={part.port}\nuser={user}\ndbname={database}\n"
            f"sslmode=verify-full\nsslrootcert={authority_path}\npassfile={folder / 'pgpass'}\n"
        )
        fields = (part.hostname, part.port, database, user, unquote(part.password or ""))
        passwords.append(":".join(str(field).replace("\\", r"\\").replace(":", r"\:") for field in fields))
    replace(folder / _SERVICES, "\n".join(entries), PRIVATE)
    replace(folder / "pgpass", "\n".join(passwords) + "\n", PRIVATE)
