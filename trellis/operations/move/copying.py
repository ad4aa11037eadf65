"""Making an empty database like another one: roles, schema, grants and settings. Rows come by the stream."""

import re
from collections.abc import Iterable, Iterator, Sequence

import psycopg

from trellis.migrator.history import identifier, literal
from trellis.operations.check.shadow.entries import DumpError, Entry, dump
from trellis.operations.errors import OperationError
from trellis.operations.move import fences
from trellis.operations.move.sides import PUBLICATION, SCHEMA, Connection, Pair

# What belongs to the server or to the move itself.
_PASSED_OVER = frozenset({"PUBLICATION", "PUBLICATION TABLE", "EVENT TRIGGER", "SUBSCRIPTION", "DATABASE"})
_OWNER = re.compile(r"^ALTER .* OWNER TO .*;$", re.MULTILINE)
_PREPARED = "SET check_function_bodies = off; SET xmloption = content; SET search_path = ''"


def copy_schema(pair: Pair) -> Sequence[str]:
    """Makes the new database like the old one, without rows; gives what could not be taken along, in words.

    A database that has its schema already is left as it is. Raises OperationError where an object cannot be made;
    nothing of the schema is there then.
    """
    with pair.old.connect() as old, pair.new.connect() as new:
        lacks = [*_attempted(new, _roles(old, new)), *_attempted(new, settings(old))]
        if fences.is_set_up(new):
            return lacks
        if fences.tables(new):
            raise OperationError(
                f"{pair.new.name} holds tables already, and not of this move. An empty database is needed there."
            )
        with new.transaction():
            new.execute(_PREPARED)
            for entry in _schema(old):
                try:
                    new.execute(_OWNER.sub("", entry.sql).encode())
                except psycopg.Error as error:
                    raise OperationError(
                        f"{pair.new.name}: {entry.kind.lower()} {entry.name} cannot be made there: "
                        f"{error.diag.message_primary or error}"
                    ) from None
            # In the same transaction: it says that the schema is there.
            fences.set_up(new, closed=True)
        return lacks


def differences(pair: Pair) -> Sequence[str]:
    """What the schemas differ in, a line an object."""
    with pair.old.connect() as old, pair.new.connect() as new:
        before, after = ({(one.kind, one.schema, one.name): one.shown for one in _schema(side)} for side in (old, new))
    return [
        f"{kind.lower()} {'' if schema == '-' else f'{schema}.'}{name}"
        for kind, schema, name in sorted(before.keys() | after.keys())
        if before.get((kind, schema, name)) != after.get((kind, schema, name))
    ]


def _schema(connection: Connection) -> Iterator[Entry]:
    """What makes the schema, without what belongs to the move."""
    try:
        found = dump(connection)
    except DumpError as error:
        raise OperationError(f"{connection.info.dbname} cannot be dumped: {error}") from None
    for entry in found:
        ours = SCHEMA in (entry.schema, entry.name) or "trellis_move_fence" in entry.sql or entry.name == PUBLICATION
        # A comment on an extension belongs to whoever made the extension.
        if not ours and entry.kind not in _PASSED_OVER and not entry.name.startswith("EXTENSION "):
            yield entry


def _roles(old: Connection, new: Connection) -> Iterator[str]:
    """What makes the roles that are not there yet, and their memberships."""
    listed = "SELECT rolname, rolcanlogin FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_' AND NOT rolsuper"
    there = {name for name, _ in new.execute(listed.encode()).fetchall()}
    here: dict[str, bool] = dict(old.execute(listed.encode()).fetchall())
    for name, login in here.items():
        if name not in there and not name.startswith("_"):
            yield f"CREATE ROLE {identifier(name)} {'LOGIN' if login else 'NOLOGIN'}"
    members = (
        "SELECT g.rolname, m.rolname FROM pg_catalog.pg_auth_members a JOIN pg_catalog.pg_roles g ON g.oid = a.roleid"
        " JOIN pg_catalog.pg_roles m ON m.oid = a.member WHERE NOT g.rolsuper AND NOT m.rolsuper"
    )
    known = set(new.execute(members.encode()).fetchall())
    for group, member in old.execute(members.encode()).fetchall():
        if (group, member) not in known and member in here:
            yield f"GRANT {identifier(group)} TO {identifier(member)}"


def settings(old: Connection) -> Iterator[str]:
    """What sets the database's own settings and who may connect to it."""
    database = identifier(old.info.dbname)
    found = old.execute(
        "SELECT r.rolname, s.setconfig FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d"
        " ON d.oid = s.setdatabase LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole"
        " WHERE d.datname = pg_catalog.current_database()"
    ).fetchall()
    for role, settings in found:
        whose = f"ROLE {identifier(role)} IN DATABASE {database}" if role else f"DATABASE {database}"
        for setting in settings:
            key, _, value = setting.partition("=")
            # A list is several values, and each is quoted where it has to be.
            yield f"ALTER {whose} SET {identifier(key)} TO {value if ',' in value else literal(value)}"
    granted = old.execute(
        "SELECT coalesce(r.rolname, ''), a.privilege_type FROM pg_catalog.pg_database d,"
        " pg_catalog.aclexplode(d.datacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee"
        " WHERE d.datname = pg_catalog.current_database() AND a.grantee <> d.datdba"
    ).fetchall()
    ((restricted,),) = old.execute(
        "SELECT datacl IS NOT NULL FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()"
    ).fetchall()
    if restricted:
        yield f"REVOKE ALL ON DATABASE {database} FROM PUBLIC"
    for role, privilege in granted:
        yield f"GRANT {privilege} ON DATABASE {database} TO {identifier(role) if role else 'PUBLIC'}"


def _attempted(connection: Connection, statements: Iterable[str]) -> Iterator[str]:
    """Runs each, and tells of those that may not be run here."""
    for statement in list(statements):
        try:
            connection.execute(statement.encode())
        except psycopg.Error as error:
            yield f"{statement}: {error.diag.message_primary or error}"
