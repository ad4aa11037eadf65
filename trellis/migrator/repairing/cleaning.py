"""Emptying a database, as Flyway's clean does."""

from dataclasses import dataclass

from trellis.migrator.connecting import Session, Target, acquire, readable_errors, run
from trellis.migrator.history import identifier
from trellis.migrator.options import DEFAULTS, Options

# Schemas that the user may drop. An extension's own go with the extension.
_SCHEMAS = """
SELECT n.nspname, count(c.oid) FILTER (WHERE c.relkind IN ('r', 'p'))
FROM pg_catalog.pg_namespace n LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND pg_catalog.pg_has_role(n.nspowner, 'USAGE')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
GROUP BY n.nspname ORDER BY n.nspname
"""

# As a new database has it since PostgreSQL 15.
_NEW_PUBLIC = "CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a database holds: each schema with the number of its tables."""

    schemas: tuple[tuple[str, int], ...]

    @property
    def tables(self) -> int:
        """In all schemas together."""
        return sum(tables for _, tables in self.schemas)


def contents(target: Target) -> Contents:
    """What `clean` would drop. Raises MigrationError when the database cannot be reached."""
    with Session.open(target) as session, readable_errors(session, {}):
        return _contents(session)


def clean(target: Target, options: Options = DEFAULTS) -> Contents:
    """Drop every schema of the database with all that is in it, and make `public` anew; returns what was dropped.

    One transaction, under the migrators' lock: either everything is gone or nothing. Users, and what other databases
    hold, stay. There is no way back but a restore.

    Raises MigrationError when the database cannot be reached, or when an object in it belongs to somebody else.
    """
    with Session.open(target) as session, readable_errors(session, {}):
        acquire(session.connection, session.table, options)
        dropped = _contents(session)
        drops = [f"DROP SCHEMA {identifier(name)} CASCADE" for name, _ in dropped.schemas]
        bounds = f"SET LOCAL lock_timeout = {int(options.lock_timeout * 1000)}"
        run(session.connection, "; ".join(["BEGIN", bounds, *drops, _NEW_PUBLIC, "COMMIT"]))
        return dropped


def _contents(session: Session) -> Contents:
    rows = session.connection.execute(_SCHEMAS).fetchall()
    return Contents(schemas=tuple((str(name), int(tables)) for name, tables in rows))
