"""Makes a self-hosted server hold what it should. Every step can be repeated."""

import os
import secrets
import socket
import ssl
import struct
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, LiteralString, TypeVar

import psycopg
from cryptography import x509
from psycopg import sql

from trellis.server.certificates import Authorities, renewal
from trellis.server.scram import verifier

# A Droplet installs PostgreSQL at its first boot.
PATIENCE = 15 * 60.0
PAUSE = 3.0

_POOL = """
INSERT INTO server.pools (name, database, login, mode, size)
VALUES (%(name)s, %(database)s, %(user)s, %(mode)s, %(size)s)
"""
_POOL_OF_ANYBODY = """
INSERT INTO server.pools (name, database, mode, size) VALUES (%(name)s, %(database)s, %(mode)s, %(size)s)
"""

# A role's two logins, and whether its pools let each in. A second one that nothing is said of any more stays shut out.
_FIRST_ALONE = "UPDATE server.logins SET admitted = login = role"
_LOGINS = """
INSERT INTO server.logins (login, role, admitted) VALUES (%s, %s, %s)
ON CONFLICT (login) DO UPDATE SET role = excluded.role, admitted = excluded.admitted
"""

_CHANGE = """
INSERT INTO server.change (stamp, carried_out) VALUES (%s, false)
ON CONFLICT (single) DO UPDATE SET stamp = excluded.stamp, carried_out = false
"""

_CERTIFICATE = """
INSERT INTO server.certificate (certificate) VALUES (%s)
ON CONFLICT (single) DO UPDATE SET certificate = excluded.certificate
"""

Result = TypeVar("Result")


class ArrangementError(Exception):
    """The server does not do what it should. The text says what was waited for, and for how long."""


def arrange(props: Mapping[str, Any]) -> str | None:
    """Creates users, databases and pools as `Contents` lists them, and waits until the server carries them out.

    Gives the time from which on its certificate is to be renewed, which this does too; None where it cannot be. Raises
    ArrangementError when the server does not answer within 15 minutes, or knows of no second logins.
    """
    logins = props.get("logins") or {}
    authorities, now = Authorities(props["ca_certificate"], props["ca_key"]), datetime.now(UTC)
    with TemporaryDirectory() as folder:
        authority, own, own_key = (Path(folder, name) for name in ("ca.crt", "client.crt", "client.key"))
        authority.write_text(props["ca_certificate"])
        certificate, key = authorities.oldest().client_certificate(props["admin"], now)
        own.write_text(certificate)
        with os.fdopen(os.open(own_key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key)

        def connect(user: str, password: str, port: int, database: str, **more: Any) -> psycopg.Connection[Any]:
            return psycopg.connect(
                host=props["host"],
                port=port,
                user=user,
                password=password,
                dbname=database,
                sslmode=props["sslmode"],
                sslrootcert=str(authority),
                connect_timeout=10,
                autocommit=True,
                prepare_threshold=None,
                **more,
            )

        def as_admin(database: str = "defaultdb") -> psycopg.Connection[Any]:
            # Whose address is not among the sources yet is known by the certificate, in this one database.
            shown = {"sslcert": str(own), "sslkey": str(own_key)}
            return connect(props["admin"], props["password"], int(props["port"]), database, **shown)

        where = f"{props['host']}:{int(props['port'])}"
        with _patiently(as_admin, f"the server at {where}") as admin:
            if logins and not _has(admin, "to_regprocedure('server.join(text)')"):
                raise ArrangementError(
                    f"the server at {where} was built before a user could have a second login, which trellis:logins "
                    "asks for. Nothing was changed on it. Build it again as docs/self-hosted.md says, or take the "
                    "users of this cluster out of trellis:logins."
                )
            _roles(admin, props["passwords"])
            # Before its pools are tried: a database may let nobody in but the role.
            for role in logins:
                admin.execute("SELECT server.join(%s)", (role,))
            _databases(admin, props["databases"])
            stamp = _control(admin, props, logins)
        wanted = int(props["sizes"]["max_connections"])

        def resized() -> None:
            with as_admin() as admin:
                row = admin.execute("SELECT current_setting('max_connections')::int").fetchone()
            if row != (wanted,):
                raise psycopg.OperationalError(f"max_connections is {row and row[0]}, not {wanted}")

        def carried_out() -> None:
            with as_admin() as admin:
                row = admin.execute("SELECT carried_out FROM server.change WHERE stamp = %s", (stamp,)).fetchone()
            if row != (True,):
                raise psycopg.OperationalError("it has not carried out what it was told")

        _patiently(resized, f"max_connections of the server at {where}")
        # What is let in no more has no sign of its own.
        if stamp:
            _patiently(carried_out, f"the server at {where}")
        for name in props["databases"]:
            _patiently(partial(as_admin, name), f"the database {name} at {where}").close()
        for pool in props["pools"]:
            for login, admitted in logins.get(pool["user"], {pool["user"]: True}).items():
                if not admitted:
                    continue
                opened = partial(connect, login, props["passwords"][login], int(props["pool_port"]), pool["name"])
                _patiently(opened, f"the pool {pool['name']} at {props['host']}:{int(props['pool_port'])}").close()
        with as_admin() as admin:
            return _certified(admin, authorities, now, props, authority)


def _certified(
    admin: psycopg.Connection[Any], authorities: Authorities, now: datetime, props: Mapping[str, Any], trusted: Path
) -> str | None:
    """Renews the server's certificate when it is time; gives the time of the next renewal, in ISO 8601."""
    if not _has(admin, "to_regclass('server.certificate')"):
        return None
    shown = partial(served, props["host"], trusted=trusted)
    current = _patiently(partial(shown, int(props["port"])), f"the certificate of {props['host']}")
    if now < renewal(current):
        return renewal(current).isoformat()
    text = authorities.signing(now).server_certificate(current.public_key(), props["addresses"], now)
    admin.execute(_CERTIFICATE, (text,))
    new = x509.load_pem_x509_certificate(text.encode())

    def renewed(port: int) -> None:
        if shown(port) != new:
            raise OSError("the old certificate is still in use")

    for port in (int(props["port"]), int(props["pool_port"])):
        _patiently(partial(renewed, port), f"the new certificate of {props['host']}:{port}")
    return renewal(new).isoformat()


def served(host: str, port: int, trusted: Path) -> x509.Certificate:
    """The certificate that a port of the server shows. Raises OSError where it is not to be trusted."""
    context = ssl.create_default_context(cafile=str(trusted))
    with socket.create_connection((host, port), timeout=10) as plain:
        # PostgreSQL's request for TLS.
        plain.sendall(struct.pack("!II", 8, 80877103))
        if plain.recv(1) != b"S":
            raise OSError("it offers no TLS")
        with context.wrap_socket(plain, server_hostname=host) as encrypted:
            return x509.load_der_x509_certificate(encrypted.getpeercert(binary_form=True) or b"")


def _patiently(attempt: Callable[[], Result], what: str) -> Result:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return attempt()
        except (psycopg.OperationalError, OSError) as error:
            if time.monotonic() > until:
                raise ArrangementError(
                    f"{what} does not answer after {PATIENCE / 60:.0f} minutes: {str(error).strip()}. The Droplet "
                    "stands and its volume holds what was written. Its console shows cloud-init's output; "
                    "docs/self-hosted.md says what to look for. Run again to go on."
                ) from None
            time.sleep(PAUSE)


def _guarded(admin: psycopg.Connection[Any]) -> bool:
    """Whether the server makes logins itself and binds pools to them. One that was built before does not."""
    return _has(admin, "to_regprocedure('server.login(text, text)')")


def _has(admin: psycopg.Connection[Any], what: LiteralString) -> bool:
    return admin.execute(sql.SQL("SELECT {} IS NOT NULL").format(sql.SQL(what))).fetchone() == (True,)


def _roles(admin: psycopg.Connection[Any], passwords: Mapping[str, str]) -> None:
    verifiers = {user: verifier(user, password) for user, password in passwords.items()}
    if _guarded(admin):
        for user, text in verifiers.items():
            admin.execute("SELECT server.login(%s, %s)", (user, text))
        return
    known = {name for (name,) in admin.execute("SELECT rolname FROM pg_roles")}
    for user, text in verifiers.items():
        action = "ALTER" if user in known else "CREATE"
        admin.execute(
            sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(sql.SQL(action), sql.Identifier(user), sql.Literal(text))
        )


def _databases(admin: psycopg.Connection[Any], names: list[str]) -> None:
    known = {name for (name,) in admin.execute("SELECT datname FROM pg_database")}
    for name in names:
        if name not in known:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _control(
    admin: psycopg.Connection[Any], props: Mapping[str, Any], logins: Mapping[str, Mapping[str, bool]]
) -> str | None:
    """Writes the tables that the server's own trellis-sync carries out; gives the stamp of it, where it has stamps."""
    stamp = secrets.token_hex(8) if _has(admin, "to_regclass('server.change')") else None
    with admin.transaction(), admin.cursor() as cursor:
        cursor.execute("DELETE FROM server.settings")
        cursor.executemany("INSERT INTO server.settings (name, value) VALUES (%s, %s)", list(props["sizes"].items()))
        cursor.execute("DELETE FROM server.sources")
        cursor.executemany("INSERT INTO server.sources (range) VALUES (%s)", [(range_,) for range_ in props["sources"]])
        cursor.execute("DELETE FROM server.pools")
        cursor.executemany(
            _POOL if _guarded(admin) else _POOL_OF_ANYBODY,
            [{**pool, "size": int(pool["size"])} for pool in props["pools"]],
        )
        if _has(admin, "to_regclass('server.logins')"):
            cursor.execute(_FIRST_ALONE)
            cursor.executemany(
                _LOGINS, [(login, role, admitted) for role, pair in logins.items() for login, admitted in pair.items()]
            )
        if stamp:
            cursor.execute(_CHANGE, (stamp,))
    return stamp
