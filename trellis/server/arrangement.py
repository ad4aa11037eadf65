"""Makes a self-hosted server hold what it should. Every step can be repeated."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import psycopg
from psycopg import sql

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

Result = TypeVar("Result")


class ArrangementError(Exception):
    """The server does not do what it should. The text says what was waited for, and for how long."""


def arrange(props: Mapping[str, Any]) -> None:
    """Creates users, databases and pools as `Contents` lists them, and waits until the server carries them out.

    Raises ArrangementError when it does not within 15 minutes.
    """
    with TemporaryDirectory() as folder:
        authority = Path(folder, "ca.crt")
        authority.write_text(props["ca_certificate"])

        def connect(user: str, password: str, port: int, database: str) -> psycopg.Connection[Any]:
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
            )

        def as_admin(database: str = "defaultdb") -> psycopg.Connection[Any]:
            return connect(props["admin"], props["password"], int(props["port"]), database)

        where = f"{props['host']}:{int(props['port'])}"
        with _patiently(as_admin, f"the server at {where}") as admin:
            _roles(admin, props["passwords"])
            _databases(admin, props["databases"])
            _control(admin, props)
        wanted = int(props["sizes"]["max_connections"])

        def resized() -> None:
            with as_admin() as admin:
                row = admin.execute("SELECT current_setting('max_connections')::int").fetchone()
            if row != (wanted,):
                raise psycopg.OperationalError(f"max_connections is {row and row[0]}, not {wanted}")

        _patiently(resized, f"max_connections of the server at {where}")
        for pool in props["pools"]:
            user = pool["user"]
            opened = partial(connect, user, props["passwords"][user], int(props["pool_port"]), pool["name"])
            _patiently(opened, f"the pool {pool['name']} at {props['host']}:{int(props['pool_port'])}").close()


def _patiently(attempt: Callable[[], Result], what: str) -> Result:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return attempt()
        except psycopg.OperationalError as error:
            if time.monotonic() > until:
                raise ArrangementError(
                    f"{what} does not answer after {PATIENCE / 60:.0f} minutes: {str(error).strip()}. The Droplet "
                    "stands and its volume holds what was written. Its console shows cloud-init's output; "
                    "docs/self-hosted.md says what to look for. Run again to go on."
                ) from None
            time.sleep(PAUSE)


def _guarded(admin: psycopg.Connection[Any]) -> bool:
    """Whether the server makes logins itself and binds pools to them. One that was built before does not."""
    row = admin.execute("SELECT to_regprocedure('server.login(text, text)') IS NOT NULL").fetchone()
    return row == (True,)


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


def _control(admin: psycopg.Connection[Any], props: Mapping[str, Any]) -> None:
    """Writes the tables that the server's own trellis-sync carries out."""
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
