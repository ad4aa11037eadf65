"""The first moments of a cluster: its data directory, its admin user, its default database."""

from psycopg import sql

from localcloud.servers.access import REPLICATION_USER, SUPERUSER
from localcloud.servers.errors import StartFailed
from localcloud.servers.logins import verifier
from localcloud.servers.postgresql import PostgresServer
from localcloud.servers.processes import run
from localcloud.servers.specs import ClusterSpec

ADMIN_ATTRIBUTES = "LOGIN CREATEDB CREATEROLE REPLICATION BYPASSRLS"
ADMIN_MEMBERSHIPS = ("pg_monitor", "pg_read_all_settings", "pg_read_all_stats", "pg_signal_backend")
"""What DigitalOcean's doadmin may do; it is not a superuser."""


def initialise(server: PostgresServer) -> None:
    """Fill the server's data directory: every login by SCRAM, checksums, UTF-8. Raises StartFailed."""
    passfile = server.folder / "initdb.password"
    server.account.write(passfile, f"{server.superuser_password}\n")
    command = [
        str(server.installation.program("initdb")),
        f"--pgdata={server.data}",
        f"--username={SUPERUSER}",
        f"--pwfile={passfile}",
        "--auth=scram-sha-256",
        "--data-checksums",
        "--encoding=UTF8",
        *_locale(server.installation.major),
    ]
    result = run(command, server.folder, server.account)
    passfile.unlink()
    if result.returncode != 0:
        raise StartFailed(f"{server.label}: initdb failed and nothing was kept.\n{result.stderr.strip()}")


def populate(server: PostgresServer, spec: ClusterSpec, replication_password: str) -> None:
    """Create the platform's replication login, the admin user and the default database."""
    admin = sql.Identifier(spec.admin_user)
    with server.connect() as connection:
        for name, attributes, password in (
            (REPLICATION_USER, "LOGIN REPLICATION", replication_password),
            (spec.admin_user, ADMIN_ATTRIBUTES, spec.admin_password),
        ):
            connection.execute(
                sql.SQL("CREATE ROLE {} {} PASSWORD {}").format(
                    sql.Identifier(name), sql.SQL(attributes), verifier(connection, name, password)
                )
            )
        for membership in ADMIN_MEMBERSHIPS:
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(membership), admin))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(spec.default_database), admin))


def _locale(major: str) -> list[str]:
    # The built-in provider sorts the same on every operating system; before 17 the system's C.UTF-8 comes nearest.
    if int(major) >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C.UTF-8"]
