"""Who is let in to read the history reads nothing else."""

from collections.abc import Callable

import psycopg
import pytest

from tests.migrator.conftest import Write
from tests.migrator.servers import Database
from trellis.migrator import MigrationError, Report, Target, admit
from trellis.server.scram import verifier

RUN = Callable[..., Report]


def test_a_login_is_made_and_let_in(database: Database, write: Write, run: RUN) -> None:
    run(write({"V1__A.sql": "CREATE TABLE a ();\nREVOKE ALL ON SCHEMA public FROM PUBLIC;"}))
    database.run(f"REVOKE CONNECT ON DATABASE {database.name} FROM PUBLIC")
    target = Target(database.parameters())
    try:
        admit(target, "reviewer", verifier("reviewer", "before"))
        admit(target, "reviewer", verifier("reviewer", "after"))
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            database.connect("reviewer", "before")
        with database.connect("reviewer", "after") as connection:
            assert connection.execute("SELECT count(*) FROM flyway_schema_history").fetchone() == (1,)
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                connection.execute("CREATE TEMPORARY TABLE t ()")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("TABLE a")
    finally:
        database.run("DROP OWNED BY reviewer", "DROP ROLE reviewer")


def test_who_may_not_grant_says_so(database: Database, write: Write, run: RUN) -> None:
    run(write({"V1__A.sql": "CREATE TABLE a ();"}))
    database.run("CREATE ROLE modest LOGIN PASSWORD 'modest'", "CREATE ROLE reviewer")
    modest = Target(database.parameters("modest", "modest"))
    try:
        with pytest.raises(MigrationError, match="permission denied"):
            admit(modest, "reviewer")
        with pytest.raises(MigrationError, match="permission denied"):
            admit(modest, "newcomer", verifier("newcomer", "x"))
    finally:
        database.run("DROP ROLE modest", "DROP ROLE reviewer")
