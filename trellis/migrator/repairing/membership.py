"""A second login of a role: it acts as the role, and owns nothing."""

from typing import NamedTuple

import psycopg

from trellis.migrator.connecting import Target
from trellis.migrator.errors import MigrationError
from trellis.migrator.history import identifier, literal

_SINCE_ADMIN_OPTION = 160000
# Without an administrator's right on the role the server refuses; before 16 CREATEROLE is enough.
_MAY = """
SELECT CASE WHEN current_setting('server_version_num')::int < 160000
    THEN (SELECT rolcreaterole OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
    ELSE pg_has_role(current_user, oid, 'MEMBER WITH ADMIN OPTION') END
FROM pg_catalog.pg_roles WHERE rolname = {role}
"""
# What a self-hosted server has, whose administrator may not do it before 16; one that was built before has not. What
# anybody else has called so is not run as the administrator.
_ITSELF = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
    WHERE p.oid = pg_catalog.to_regprocedure('server.join(text)') AND r.rolsuper)
"""
_SETTINGS = """
SELECT coalesce(d.datname, ''), split_part(entry, '=', 1), substr(entry, strpos(entry, '=') + 1)
FROM pg_catalog.pg_db_role_setting s
JOIN pg_catalog.pg_roles r ON r.oid = s.setrole LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase,
    unnest(s.setconfig) entry
WHERE r.rolname = {role} ORDER BY 1, 2
"""


class Setting(NamedTuple):
    """A setting of a role. database: where it holds; empty for everywhere."""

    database: str
    name: str
    value: str


def may_join(target: Target, role: str) -> bool:
    """Whether the target's user may make logins members of this role. Raises MigrationError."""
    with target.connect() as connection:
        row = connection.execute(_MAY.format(role=literal(role)).encode()).fetchone()
    return bool(row and row[0])


def joins_itself(target: Target) -> bool:
    """Whether it is a self-hosted server that makes logins members of a role, and lets them in. Raises MigrationError.

    The target leads to the database with the server's tables.
    """
    with target.connect() as connection:
        return connection.execute(_ITSELF).fetchone() == (True,)


def join(target: Target, role: str, login: str) -> None:
    """Makes a login a member of a role, which it is from its first statement on, with the role's settings.

    What it makes belongs to the role. Can be repeated. Raises MigrationError, and then nothing was changed.
    """
    try:
        with target.connect() as connection, connection.transaction():
            run = connection.execute
            if run(_ITSELF).fetchone() == (True,):
                run("SELECT server.join(%s::text)", (role,))
                return
            options = " WITH INHERIT TRUE, SET TRUE" if connection.info.server_version >= _SINCE_ADMIN_OPTION else ""
            run(f"GRANT {identifier(role)} TO {identifier(login)}{options}".encode())
            wanted, there = (
                [Setting(*row) for row in run(_SETTINGS.format(role=literal(name)).encode())] for name in (role, login)
            )
            for database in sorted({one.database for one in there}):
                run(f"{_altered(login, database)} RESET ALL".encode())
            for database, name, value in wanted:
                # A list is written with its quotes, which only this takes as they are. It lasts for the transaction.
                run(b"SELECT pg_catalog.set_config(%s, %s, true)", (name, value))
                run(f"{_altered(login, database)} SET {name} FROM CURRENT".encode())
            run(f"{_altered(login, '')} SET role TO {literal(role)}".encode())
    except psycopg.Error as error:
        raise MigrationError(
            f"{login} cannot become a login of {role}: {target.conceal(str(error).strip())}",
            sqlstate=error.sqlstate,
            state="Nothing was changed.",
        ) from None


def _altered(login: str, database: str) -> str:
    return f"ALTER ROLE {identifier(login)}{f' IN DATABASE {identifier(database)}' if database else ''}"
