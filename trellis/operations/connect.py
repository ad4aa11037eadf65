"""Files that let psql and other libpq clients reach a stack's databases without a password on a command line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from trellis.operations.writing import PRIVATE, replace


def write(folder: Path, outputs: Mapping[str, Any]) -> list[str]:
    """Writes a service file, a password file and the CA certificates of a stack; returns the services' names.

    outputs: the stack's outputs with secrets shown. A service is named like its pool; the administrator's direct
    connection is `<database>-direct`, a replica's `<pool>-<number>-replica`. That of a login for which there is no pool
    is `<login>-<database>`, and any login's on a replica `<login>-<database>-replica-<number>`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    services: dict[str, tuple[str, str]] = {}
    for cluster, certificate in outputs["ca_certificates"].items():
        authority = folder / f"{cluster}.crt"
        replace(authority, certificate, PRIVATE)
        for kind, suffix in (("pooled_uris", ""), ("direct_uris", "-direct"), ("replica_uris", "-replica")):
            for name, uri in outputs.get(kind, {}).get(cluster, {}).items():
                services[f"{name}{suffix}"] = (uri, str(authority))
        for login, ways in outputs.get("login_uris", {}).get(cluster, {}).items():
            services |= {f"{login}-{way}": (uri, str(authority)) for way, uri in ways.items()}
    entries, passwords = [], []
    for name, (uri, authority_path) in services.items():
        part = urlsplit(uri)
        user, database = unquote(part.username or ""), unquote(part.path[1:])
        entries.append(
            f"[{name}]\nhost={part.hostname}\nport={part.port}\nuser={user}\ndbname={database}\n"
            f"sslmode=verify-full\nsslrootcert={authority_path}\npassfile={folder / 'pgpass'}\n"
        )
        fields = (part.hostname, part.port, database, user, unquote(part.password or ""))
        passwords.append(":".join(str(field).replace("\\", r"\\").replace(":", r"\:") for field in fields))
    replace(folder / "pg_service.conf", "\n".join(entries), PRIVATE)
    replace(folder / "pgpass", "\n".join(passwords) + "\n", PRIVATE)
    return list(services)
