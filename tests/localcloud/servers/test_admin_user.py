"""What doadmin may do, and what it may not: it is not a superuser."""

import psycopg
import pytest
from psycopg import errors

from localcloud.servers import Cluster, Tools
from tests.localcloud.servers.clients import Place, value


def test_it_is_not_a_superuser(shared: Cluster, shared_place: Place) -> None:
    with shared_place.connect(shared) as session:
        assert value(session, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute("COPY (SELECT 1) TO PROGRAM 'cat'")
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute("SELECT rolpassword FROM pg_authid")
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute("ALTER SYSTEM SET max_connections = 100")
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute("CREATE EXTENSION pg_surgery")


def test_it_owns_the_default_database(shared: Cluster, shared_place: Place) -> None:
    assert shared.databases() == ("defaultdb",)
    with shared_place.connect(shared) as session:
        query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        assert value(session, query) == "doadmin"
        session.execute("CREATE TABLE owned (id int)")


@pytest.mark.parametrize("extension", ["uuid-ossp", "pgcrypto", "citext", "pg_trgm", "pg_stat_statements"])
def test_it_creates_extensions(shared: Cluster, shared_place: Place, extension: str) -> None:
    with shared_place.connect(shared) as session:
        session.execute(f'CREATE EXTENSION "{extension}"')
        assert value(session, f"SELECT count(*) FROM pg_extension WHERE extname = '{extension}'") == 1


def test_pg_stat_statements_counts(shared: Cluster, shared_place: Place) -> None:
    with shared_place.connect(shared) as session:
        session.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        session.execute("SELECT 'counted'")
        assert value(session, "SELECT count(*) FROM pg_stat_statements WHERE query LIKE 'SELECT $1%'") >= 1


def test_the_installed_postgresql_is_left_as_it_was(shared: Cluster, tools: Tools) -> None:
    assert shared.running()
    # Debian keeps the extensions of an installation in a folder beside its own.
    installed = (tools.postgresql / "17").resolve()
    controls = list(installed.parents[2].rglob("17/**/pg_stat_statements.control"))
    assert controls
    assert all("trusted" not in control.read_text() for control in controls)


def test_it_manages_roles_and_databases(shared: Cluster, shared_place: Place) -> None:
    shared.create_user("granted", "pw")
    with shared_place.connect(shared) as session:
        session.execute("CREATE ROLE readers")
        session.execute("GRANT readers TO granted")
        session.execute("CREATE ROLE reporting LOGIN PASSWORD 'pw'")
        session.execute("GRANT granted TO reporting")
        session.execute("CREATE DATABASE by_sql")
        assert value(session, "SELECT pg_has_role('granted', 'readers', 'MEMBER')") is True
    assert "by_sql" in shared.databases()
    assert {"doadmin", "granted", "reporting"} <= set(shared.users())


def test_it_does_not_inherit_what_users_may_do(shared: Cluster, shared_place: Place) -> None:
    shared.create_user("diarist", "pw")
    with shared_place.connect(shared) as session:
        session.execute("CREATE SCHEMA diary")
        session.execute("GRANT CREATE, USAGE ON SCHEMA diary TO diarist")
        session.execute("SET ROLE diarist")
        session.execute("CREATE TABLE diary.page (id int)")
        session.execute("RESET ROLE")
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute("ALTER TABLE diary.page ADD COLUMN text text")


def test_it_ends_other_sessions(shared: Cluster, shared_place: Place) -> None:
    shared.create_user("idler", "pw")
    with (
        shared_place.connect(shared) as admin,
        shared_place.connect(shared, user="idler", password="pw") as idler,
    ):
        assert value(admin, f"SELECT pg_terminate_backend({idler.info.backend_pid})") is True
        with pytest.raises(psycopg.OperationalError):
            idler.execute("SELECT 1")
