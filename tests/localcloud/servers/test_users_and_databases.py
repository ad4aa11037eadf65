"""Users and databases made through the platform."""

import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from localcloud.servers import AlreadyExists, Cluster, InvalidRequest, NotFound, NotRunning, PoolSpec
from tests.localcloud.servers.clients import Place, Session, value


def _pool(name: str, user: str) -> PoolSpec:
    return PoolSpec(name=name, database="defaultdb", user=user, mode="transaction", size=2)


def test_a_user_has_no_grants(shared: Cluster, shared_place: Place) -> None:
    shared.create_user("bare", "pw")
    with shared_place.connect(shared) as admin:
        admin.execute("CREATE TABLE private_matter (id int)")
    with shared_place.connect(shared, user="bare", password="pw") as session:
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute("CREATE TABLE mine (id int)")
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute("SELECT * FROM private_matter")
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute("CREATE DATABASE mine")
        assert value(session, "SELECT count(*) FROM pg_auth_members WHERE member = 'bare'::regrole") == 0


def test_a_changed_password_holds_at_once_everywhere(shared: Cluster, shared_place: Place) -> None:
    shared.create_user("rotated", "old")
    shared.set_pools([_pool("rotating", "rotated")])
    with shared_place.connect_pool(shared, "rotating", user="rotated", password="old") as session:
        session.execute("SELECT 1")
        shared.set_password("rotated", "new")
        # An open session stays.
        session.execute("SELECT 1")
    ways: list[Callable[[str], Session]] = [
        lambda password: shared_place.connect(shared, user="rotated", password=password),
        lambda password: shared_place.connect_pool(shared, "rotating", user="rotated", password=password),
    ]
    for connect in ways:
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            connect("old")
        with connect("new") as session:
            assert value(session, "SELECT current_user") == "rotated"


def test_the_pooler_logs_in_anew_with_a_changed_password(shared: Cluster, shared_place: Place) -> None:
    """Not only on server connections that were open before the change."""
    shared.create_user("renewed", "old")
    shared.set_pools([_pool("renewing", "renewed")])
    with shared_place.connect_pool(shared, "renewing", user="renewed", password="old") as session:
        session.execute("SELECT 1")
    shared.set_password("renewed", "new")
    with shared_place.connect(shared) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'renewed'")
    with shared_place.connect_pool(shared, "renewing", user="renewed", password="new") as session:
        assert value(session, "SELECT current_user") == "renewed"


@pytest.mark.parametrize("password", ["", "cut\0short"])
def test_a_password_no_server_could_hold(shared: Cluster, password: str) -> None:
    shared.create_user(f"careful{len(password)}", "pw")
    calls: list[Callable[[], object]] = [
        lambda: shared.create_user("careless", password),
        lambda: shared.set_password(f"careful{len(password)}", password),
    ]
    for attempt in calls:
        with pytest.raises(InvalidRequest, match="password"):
            attempt()
    assert "careless" not in shared.users()


@pytest.mark.parametrize("password", ["with 'quotes' and \"more\"", "päßwörd 🔑", "x" * 500])
def test_any_password_works(shared: Cluster, shared_place: Place, password: str) -> None:
    name = f"user-{len(password)}"
    shared.create_user(name, password)
    shared.set_pools([_pool("any-password", name)])
    with shared_place.connect(shared, user=name, password=password) as session:
        assert value(session, "SELECT current_user") == name
    with shared_place.connect_pool(shared, "any-password", user=name, password=password) as session:
        assert value(session, "SELECT current_user") == name


def test_passwords_reach_no_log_file_and_no_command_line(shared: Cluster) -> None:
    secret = "hunter-of-plain-text"
    shared.create_user("secretive", secret)
    shared.set_password("secretive", secret + "2")
    with pytest.raises(AlreadyExists):
        shared.create_user("secretive", secret)
    places = [path for path in shared.folder.rglob("*") if path.is_file() and "base" not in path.parts]
    assert not [path for path in places if secret.encode() in path.read_bytes() and "pg_wal" not in path.parts]
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert secret.encode() not in line.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue


def test_files_with_secrets_are_closed_to_others(shared: Cluster) -> None:
    assert shared.folder.stat().st_mode & 0o077 == 0
    for path in shared.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0, path


def test_dropping_a_user_keeps_what_it_owned(shared: Cluster, shared_place: Place) -> None:
    shared.create_database("estate")
    shared.create_user("testator", "pw")
    shared.set_pools([_pool("will", "testator")])
    with shared_place.connect(shared, dbname="estate") as admin:
        admin.execute("GRANT CREATE ON SCHEMA public TO testator")
        admin.execute("CREATE TABLE shown (id int)")
        admin.execute("GRANT SELECT ON shown TO testator")
        admin.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO testator")
    owner = shared_place.connect(shared, user="testator", password="pw", dbname="estate")
    owner.execute("CREATE TABLE heirloom AS SELECT 7 AS id")

    shared.drop_user("testator")

    assert "testator" not in shared.users()
    with pytest.raises(psycopg.OperationalError):
        owner.execute("SELECT 1")
    owner.close()
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        shared_place.connect(shared, user="testator", password="pw")
    with pytest.raises(psycopg.OperationalError, match=r"login rejected|authentication failed"):
        shared_place.connect_pool(shared, "will", user="testator", password="pw")
    with shared_place.connect(shared, dbname="estate") as admin:
        assert value(admin, "SELECT id FROM heirloom") == 7
        admin.execute("DROP TABLE heirloom")


def test_a_user_may_come_again_under_the_same_name(shared: Cluster, shared_place: Place) -> None:
    shared.create_user("phoenix", "first")
    shared.drop_user("phoenix")
    shared.create_user("phoenix", "second")
    with shared_place.connect(shared, user="phoenix", password="second") as session:
        assert value(session, "SELECT current_user") == "phoenix"


def test_a_database_belongs_to_the_admin_user(shared: Cluster, shared_place: Place) -> None:
    shared.create_database("shop-floor")
    assert "shop-floor" in shared.databases()
    with shared_place.connect(shared, dbname="shop-floor") as session:
        session.execute("CREATE TABLE stock (id int)")
        assert value(session, "SHOW server_encoding") == "UTF8"
        assert value(session, "SHOW data_checksums") == "on"
        assert value(session, "SELECT upper('é')") == "É"
    shared.drop_database("shop-floor")
    assert "shop-floor" not in shared.databases()


def test_a_database_in_use_is_dropped_all_the_same(shared: Cluster, shared_place: Place) -> None:
    shared.create_database("busy")
    session = shared_place.connect(shared, dbname="busy")
    shared.drop_database("busy")
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    session.close()


def test_what_exists_and_what_does_not(shared: Cluster) -> None:
    shared.create_database("once")
    shared.create_user("once", "pw")
    with pytest.raises(AlreadyExists, match="Database 'once' exists already"):
        shared.create_database("once")
    with pytest.raises(AlreadyExists, match="User 'once' exists already"):
        shared.create_user("once", "pw")
    calls: list[Callable[[], object]] = [
        lambda: shared.drop_database("never"),
        lambda: shared.drop_user("never"),
        lambda: shared.set_password("never", "pw"),
    ]
    for missing in calls:
        with pytest.raises(NotFound, match="'never'"):
            missing()


@pytest.mark.parametrize("name", ["postgres", "pg_monitor", "_replication", "template1", "", "x" * 64, 'a"b', "a\nb"])
def test_reserved_and_impossible_names(shared: Cluster, name: str) -> None:
    before = (shared.users(), shared.databases())
    calls: list[Callable[[], object]] = [
        lambda: shared.create_user(name, "pw"),
        lambda: shared.set_password(name, "pw"),
        lambda: shared.drop_user(name),
        lambda: shared.create_database(name),
        lambda: shared.drop_database(name),
    ]
    for attempt in calls:
        with pytest.raises(InvalidRequest, match="Nothing was changed"):
            attempt()
    assert (shared.users(), shared.databases()) == before


def test_the_admin_user_stays(shared: Cluster) -> None:
    with pytest.raises(InvalidRequest, match="admin user"):
        shared.drop_user("doadmin")


def test_a_stopped_cluster_says_so(cluster: Cluster) -> None:
    cluster.stop()
    began = time.monotonic()
    with pytest.raises(NotRunning, match="is not running"):
        cluster.create_user("late", "pw")
    with pytest.raises(NotRunning, match="is not running"):
        cluster.create_database("late")
    assert time.monotonic() - began < 60
