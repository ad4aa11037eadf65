"""Letting a login read the history that may read nothing else."""

from trellis.migrator.connecting import Session, Target, readable_errors
from trellis.migrator.history import identifier, literal

_LACKS = """
SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {role}),
    coalesce((SELECT NOT has_database_privilege(oid, current_database(), 'CONNECT')
              FROM pg_catalog.pg_roles WHERE rolname = {role}), true),
    coalesce((SELECT NOT has_schema_privilege(oid, {schema}, 'USAGE')
              FROM pg_catalog.pg_roles WHERE rolname = {role}), true)
"""


def admit(target: Target, role: str, verifier: str | None = None) -> None:
    """Lets a login connect, see the catalogs as everybody does, and read the history table. Can be repeated.

    verifier: of its password, as CREATE ROLE takes it: the login is made, or gets it. None: the login is there already.
    What PUBLIC may do, it may too. Raises MigrationError, also where the target's user may not grant all of this.
    """
    name = identifier(role)
    with Session.open(target) as session, readable_errors(session, {}):
        run = session.connection.execute

        def missing() -> tuple[bool, bool, bool]:
            query = _LACKS.format(role=literal(role), schema=literal(target.schema))
            new, connect, use = run(query.encode()).fetchone() or (False, False, False)
            return bool(new), bool(connect), bool(use)

        if verifier is not None:
            if missing()[0]:
                run(f"CREATE ROLE {name}".encode())
            run(f"ALTER ROLE {name} LOGIN PASSWORD {literal(verifier)}".encode())
            run(f"ALTER ROLE {name} SET default_transaction_read_only = on".encode())
        _, connect, use = missing()
        # Who may not grant what everybody has is not asked to.
        if connect:
            run(f"GRANT CONNECT ON DATABASE {identifier(session.facts.database)} TO {name}".encode())
        if use:
            run(f"GRANT USAGE ON SCHEMA {identifier(target.schema)} TO {name}".encode())
        for grant in session.table.admit(name):
            run(grant.encode())
