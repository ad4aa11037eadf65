"""Who migrates in a shadow: a role that may do what it may do in the cloud, and not more.

It is no superuser. A migration that is reviewed must not reach the machine that reviews it: COPY ... TO PROGRAM, files,
functions in C.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

# DigitalOcean's administrator may create extensions that PostgreSQL keeps for superusers. So the role is a superuser
# from the beginning of such a statement to its end; when it fails, that is rolled back with it. Only scripts of the
# installation run meanwhile, some with an ALTER EXTENSION of their own: hence the depth. The function is part of the
# catalogue, which no dump holds.
_LENDING = """
SET allow_system_table_mods = on;
CREATE FUNCTION pg_catalog.trellis_lend() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog AS $lend$
DECLARE
  starts boolean := TG_EVENT = 'ddl_command_start';
  depth integer := coalesce(nullif(current_setting('trellis.depth', true), ''), '0')::integer;
BEGIN
  depth := depth + CASE WHEN starts THEN 1 ELSE -1 END;
  PERFORM set_config('trellis.depth', depth::text, true);
  IF starts AND depth = 1 THEN
    ALTER ROLE {role} SUPERUSER;
  ELSIF NOT starts AND depth <= 0 THEN
    ALTER ROLE {role} NOSUPERUSER;
  END IF;
END $lend$;
CREATE EVENT TRIGGER trellis_lends ON ddl_command_start
  WHEN TAG IN ('CREATE EXTENSION', 'ALTER EXTENSION') EXECUTE FUNCTION pg_catalog.trellis_lend();
CREATE EVENT TRIGGER trellis_takes_back ON ddl_command_end
  WHEN TAG IN ('CREATE EXTENSION', 'ALTER EXTENSION') EXECUTE FUNCTION pg_catalog.trellis_lend();
"""


@dataclass(frozen=True, kw_only=True)
class Administrator:
    """Who migrates.

    attributes: as ALTER ROLE takes them. member_of: role -> whether it may admit others to it.
    owner: whom the database belongs to. search_path: as the server sets it for a session; None for the default.
    """

    name: str
    attributes: str
    member_of: Mapping[str, bool]
    owner: str
    search_path: str | None = None

    def appoint(self, connection: psycopg.Connection, database: str) -> None:
        """Gives the role, which is there, its rights in a database, which is there."""
        role, there = sql.Identifier(self.name), sql.Identifier(database)
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN ").format(role) + sql.SQL(self.attributes))
        connection.execute(sql.SQL("GRANT ALL ON DATABASE {} TO {}").format(there, role))
        for name, admits in self.member_of.items():
            option = sql.SQL("WITH ADMIN OPTION" if admits else "")
            connection.execute(sql.SQL("GRANT {} TO {} {}").format(sql.Identifier(name), role, option))

    def lend(self, connection: psycopg.Connection) -> None:
        """Lets the role create any extension in the database that a superuser's connection leads to."""
        if self.attributes != SUPERUSER:
            connection.execute(sql.SQL(_LENDING).format(role=sql.Identifier(self.name)))


SUPERUSER = "SUPERUSER"

# Of a cluster that is not there yet. Source: what `\du` says on a managed cluster of DigitalOcean.
DIGITALOCEAN = Administrator(
    name="doadmin",
    attributes="CREATEDB CREATEROLE REPLICATION BYPASSRLS",
    member_of=dict.fromkeys(("pg_monitor", "pg_read_all_settings", "pg_read_all_stats", "pg_signal_backend"), False),
    owner="doadmin",
)


def administrator_of(connection: psycopg.Connection, search_path: str) -> Administrator:
    """The role of a connection as its server has it."""
    found = connection.execute(
        "SELECT r.rolname, pg_catalog.pg_get_userbyid(d.datdba), r.rolsuper, r.rolcreatedb, r.rolcreaterole,"
        " r.rolreplication, r.rolbypassrls FROM pg_catalog.pg_roles r, pg_catalog.pg_database d"
        " WHERE r.rolname = current_user AND d.datname = current_database()"
    ).fetchone()
    if found is None:
        raise AssertionError("everybody is somebody, somewhere")
    name, owner, superuser, *rights = found
    words = ("CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS")
    members = connection.execute(
        "SELECT g.rolname, bool_or(m.admin_option) FROM pg_catalog.pg_auth_members m"
        " JOIN pg_catalog.pg_roles g ON g.oid = m.roleid"
        " WHERE m.member = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user) GROUP BY 1"
    ).fetchall()
    return Administrator(
        name=name,
        attributes=SUPERUSER
        if superuser
        else " ".join(word if right else f"NO{word}" for word, right in zip(words, rights, strict=True)),
        member_of=dict(members),
        owner=owner,
        search_path=search_path,
    )
