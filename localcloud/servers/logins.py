"""The users and databases of a cluster, managed by the platform's superuser."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import errors, sql

from localcloud.servers.access import REPLICATION_USER, SUPERUSER
from localcloud.servers.errors import AlreadyExists, InvalidRequest, NotFound, NotRunning, ServerError
from localcloud.servers.postgresql import Connection, PostgresServer

RESERVED_DATABASES = frozenset({"postgres", "template0", "template1"})

# PostgreSQL cuts longer names off without an error.
NAME_BYTES = 63


def verifier(connection: Connection, user: str, password: str) -> sql.Literal:
    """The SCRAM verifier of a password, computed here so that the password itself never reaches the server's log.

    Raises InvalidRequest for a password nobody could log in with.
    """
    if not password or "\0" in password:
        raise InvalidRequest(f"User {user!r}: a password is not empty and holds no NUL. Nothing was changed.")
    made = connection.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256")
    return sql.Literal(made.decode())


def check_name(kind: str, name: str) -> None:
    """Raise InvalidRequest for a name neither server could hold or one that is the platform's own."""
    if not 0 < len(name.encode()) <= NAME_BYTES or not name.isprintable() or '"' in name:
        raise InvalidRequest(
            f"{kind} name {name!r}: 1 to {NAME_BYTES} bytes, without control characters and double quotes. Nothing"
            " was changed."
        )
    if name in RESERVED_DATABASES or name in {SUPERUSER, REPLICATION_USER} or name.startswith("pg_"):
        raise InvalidRequest(f"{kind} name {name!r} is reserved. Nothing was changed.")


RIGHTS = ("replication", "subscriptions")
"""What an admin user may be given: the attribute REPLICATION; from PostgreSQL 16 on, CREATE SUBSCRIPTION."""


def set_rights(server: PostgresServer, admin: str, rights: Sequence[str]) -> None:
    user = sql.Identifier(admin)
    with _plainly(f"user {admin!r}"), server.connect() as connection:
        attribute = "REPLICATION" if "replication" in rights else "NOREPLICATION"
        connection.execute(sql.SQL(f"ALTER ROLE {{}} {attribute}").format(user))
        if connection.info.server_version >= 160000:
            change = "GRANT {} TO {}" if "subscriptions" in rights else "REVOKE {} FROM {}"
            connection.execute(sql.SQL(change).format(sql.Identifier("pg_create_subscription"), user))


def create_database(server: PostgresServer, name: str, owner: str) -> None:
    check_name("Database", name)
    with _plainly(f"database {name!r}"), server.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner)))


def drop_database(server: PostgresServer, name: str) -> None:
    check_name("Database", name)
    with _plainly(f"database {name!r}"), server.connect() as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def databases(server: PostgresServer) -> tuple[str, ...]:
    with _plainly("the list of databases"), server.connect() as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY datname").fetchall()
    return tuple(name for (name,) in rows if name not in RESERVED_DATABASES)


def create_user(server: PostgresServer, name: str, password: str, admin: str) -> None:
    """A login without any grant. The admin user may grant it, and take on its identity, but does not inherit it."""
    check_name("User", name)
    with _plainly(f"user {name!r}"), server.connect() as connection:
        user = sql.Identifier(name)
        options = (
            "WITH ADMIN TRUE, INHERIT FALSE, SET TRUE"
            if connection.info.server_version >= 160000
            else "WITH ADMIN OPTION"
        )
        with connection.transaction():
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(user, verifier(connection, name, password))
            )
            connection.execute(sql.SQL(f"GRANT {{}} TO {{}} {options}").format(user, sql.Identifier(admin)))


def set_password(server: PostgresServer, name: str, password: str) -> None:
    check_name("User", name)
    with _plainly(f"user {name!r}"), server.connect() as connection:
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), verifier(connection, name, password))
        )


def drop_user(server: PostgresServer, name: str, admin: str) -> None:
    """End the user's sessions, hand what it owns to the admin user, revoke its grants everywhere, drop it."""
    check_name("User", name)
    if name == admin:
        raise InvalidRequest(f"User {name!r} is the cluster's admin user and cannot be dropped. Nothing was changed.")
    user = sql.Identifier(name)
    with _plainly(f"user {name!r}"), server.connect() as connection:
        # Nobody may log in again while its sessions end.
        connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(user))
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [name])
        held = connection.execute("SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname").fetchall()
        for (database,) in held:
            with server.connect(database) as inside:
                inside.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(user, sql.Identifier(admin)))
                inside.execute(sql.SQL("DROP OWNED BY {}").format(user))
        connection.execute(sql.SQL("DROP ROLE {}").format(user))


def users(server: PostgresServer) -> tuple[str, ...]:
    return tuple(name for name, _ in _logins(server))


def verifiers(server: PostgresServer) -> dict[str, str]:
    """The SCRAM verifier of every user that has a password. PgBouncer checks passwords, and logs in, with it."""
    return {name: password for name, password in _logins(server) if password is not None}


def _logins(server: PostgresServer) -> list[tuple[str, str | None]]:
    with _plainly("the list of users"), server.connect() as connection:
        rows = connection.execute(
            "SELECT rolname, rolpassword FROM pg_authid WHERE rolcanlogin AND NOT rolsuper AND rolname <> %s"
            " ORDER BY rolname",
            [REPLICATION_USER],
        ).fetchall()
    return [(name, password) for name, password in rows]


@contextmanager
def _plainly(subject: str) -> Iterator[None]:
    """Turn what PostgreSQL reports about `subject` into this package's errors."""
    try:
        yield
    except (errors.DuplicateDatabase, errors.DuplicateObject) as error:
        raise AlreadyExists(f"{subject.capitalize()} exists already. Nothing was changed.") from error
    except (errors.InvalidCatalogName, errors.UndefinedObject) as error:
        raise NotFound(f"There is no {subject}. Nothing was changed.") from error
    except psycopg.OperationalError as error:
        raise NotRunning(f"The server went away while working on {subject}: {error}") from error
    except psycopg.Error as error:
        raise ServerError(f"The server refused to work on {subject}: {error}") from error
