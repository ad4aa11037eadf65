"""Databases, users, pools and trusted sources of a cluster, on its real servers."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psycopg
import pytest

from tests.localcloud.cloud import LocalCloud, wait_until

Connect = Callable[..., psycopg.Connection[Any]]


@pytest.fixture
def path(cluster: dict[str, Any]) -> str:
    return f"/v2/databases/{cluster['id']}"


@pytest.fixture
def app(cloud: LocalCloud, path: str) -> Iterator[dict[str, Any]]:
    """A database "app" and a user "app"."""
    cloud.post(f"{path}/dbs", {"name": "app"})
    user = cloud.post(f"{path}/users", {"name": "app"})["user"]
    yield user
    for pool in cloud.get(f"{path}/pools")["pools"]:
        cloud.delete(f"{path}/pools/{pool['name']}")
    cloud.delete(f"{path}/users/app")
    cloud.delete(f"{path}/dbs/app")


def as_user(cluster: dict[str, Any], user: dict[str, Any], database: str) -> dict[str, Any]:
    host, port = cluster["connection"]["host"], cluster["connection"]["port"]
    return {"uri": f"postgresql://{user['name']}:{user['password']}@{host}:{port}/{database}?sslmode=require"}


def test_databases_exist_on_the_server(
    cloud: LocalCloud, path: str, cluster: dict[str, Any], app: dict[str, Any], connect: Connect
) -> None:
    assert cloud.get(f"{path}/dbs/app") == {"db": {"name": "app"}}
    assert {"name": "app"} in cloud.get(f"{path}/dbs")["dbs"]
    assert "app" in cloud.get(path)["database"]["db_names"]
    with connect(cluster["connection"]) as connection:
        assert connection.execute("SELECT 1 FROM pg_database WHERE datname = 'app'").fetchone() == (1,)
        connection.execute("CREATE DATABASE by_sql")
    assert cloud.get(f"{path}/dbs/by_sql") == {"db": {"name": "by_sql"}}, "made by SQL, and still a database"
    cloud.delete(f"{path}/dbs/by_sql")
    assert cloud.call("GET", f"{path}/dbs/by_sql").status == 404
    assert cloud.call("DELETE", f"{path}/dbs/by_sql").status == 404


def test_wrong_databases_are_refused(cloud: LocalCloud, path: str, app: dict[str, Any]) -> None:
    taken = cloud.call("POST", f"{path}/dbs", {"name": "app"})
    assert (taken.status, taken.message.startswith("db name is not available")) == (422, True)
    for name in ("", "a b", "postgres", "template1", "x" * 64):
        assert cloud.call("POST", f"{path}/dbs", {"name": name}).status == 422, name
    assert cloud.call("DELETE", f"{path}/dbs/postgres").status in (404, 422)


def test_a_user_has_a_password_that_works_and_no_grants(
    cloud: LocalCloud, path: str, cluster: dict[str, Any], app: dict[str, Any], connect: Connect
) -> None:
    assert app["role"] == "normal"
    assert cloud.get(f"{path}/users/app")["user"] == app
    with connect(as_user(cluster, app, "app")) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE TABLE t (x int)")
    with connect(cluster["connection"]) as connection:
        stored = connection.execute("SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'app'").fetchone()
        assert stored == (True, False)


def test_a_reset_password_works_at_once_and_the_old_one_no_longer(
    cloud: LocalCloud, path: str, cluster: dict[str, Any], app: dict[str, Any], connect: Connect
) -> None:
    pool = cloud.post(f"{path}/pools", {"name": "p", "mode": "transaction", "size": 2, "db": "app", "user": "app"})
    renewed = cloud.post(f"{path}/users/app/reset_auth", {}, 200)["user"]
    assert renewed["password"] != app["password"]
    connect(as_user(cluster, renewed, "app")).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(as_user(cluster, app, "app"))
    shown = cloud.get(f"{path}/pools/p")["pool"]
    assert shown["connection"]["password"] == renewed["password"]
    connect(shown["connection"]).close()
    with pytest.raises(psycopg.OperationalError):
        connect(pool["pool"]["connection"])


def test_wrong_users_are_refused(cloud: LocalCloud, path: str, app: dict[str, Any]) -> None:
    taken = cloud.call("POST", f"{path}/users", {"name": "app"})
    assert (taken.status, taken.message.startswith("user name is not available")) == (422, True)
    for name in ("", "a b", "x" * 64, "postgres", "pg_read_all_data"):
        assert cloud.call("POST", f"{path}/users", {"name": name}).status == 422, name
    assert cloud.call("DELETE", f"{path}/users/doadmin").status == 422
    assert cloud.call("GET", f"{path}/users/nobody").status == 404
    assert cloud.call("DELETE", f"{path}/users/nobody").status == 404
    replication = {"name": "r", "settings": {"pg_allow_replication": True}}
    assert cloud.call("POST", f"{path}/users", replication).status == 501


def test_a_pool_leads_to_its_database_as_its_user(
    cloud: LocalCloud, path: str, app: dict[str, Any], connect: Connect
) -> None:
    body = {"name": "api", "mode": "transaction", "size": 10, "db": "app", "user": "app"}
    pool = cloud.post(f"{path}/pools", body)["pool"]
    assert {key: pool[key] for key in body} == body
    assert pool == cloud.get(f"{path}/pools/api")["pool"]
    for host in ("connection", "private_connection"):
        assert pool[host]["database"] == "api"
        with connect(pool[host], prepare_threshold=None) as connection:
            assert connection.execute("SELECT current_database(), current_user").fetchone() == ("app", "app")
    cloud.put(f"{path}/pools/api", {"mode": "session", "size": 5, "db": "app", "user": "app"}, 204)
    assert cloud.get(f"{path}/pools/api")["pool"]["mode"] == "session"
    assert cloud.call("DELETE", f"{path}/dbs/app").status == 422
    assert cloud.call("DELETE", f"{path}/users/app").status == 422
    cloud.delete(f"{path}/pools/api")
    assert cloud.call("GET", f"{path}/pools/api").status == 404
    with pytest.raises(psycopg.OperationalError):
        connect(pool["connection"])


def test_pools_share_the_connections_of_the_plan(cloud: LocalCloud, path: str, app: dict[str, Any]) -> None:
    pool = {"mode": "transaction", "db": "app", "user": "app"}
    cloud.post(f"{path}/pools", pool | {"name": "one", "size": 15})
    answer = cloud.call("POST", f"{path}/pools", pool | {"name": "two", "size": 8})
    assert answer.status == 422
    assert "22 backend connections" in answer.message
    assert "Allowed: 1 to 7" in answer.message
    cloud.post(f"{path}/pools", pool | {"name": "two", "size": 7})
    assert cloud.call("PUT", f"{path}/pools/one", pool | {"size": 16}).status == 422
    assert cloud.get(f"{path}/pools/one")["pool"]["size"] == 15
    taken = cloud.call("POST", f"{path}/pools", pool | {"name": "one", "size": 1})
    assert (taken.status, taken.message.startswith("pool name is not available")) == (422, True)
    for wrong in ({"db": "none"}, {"user": "none"}, {"mode": "magic"}, {"size": 0}, {"name": "a b"}):
        assert cloud.call("POST", f"{path}/pools", pool | {"name": "three", "size": 1} | wrong).status == 422, wrong


def test_trusted_sources_are_enforced(cloud: LocalCloud, path: str, cluster: dict[str, Any], connect: Connect) -> None:
    rules = f"{path}/firewall"
    here, elsewhere = {"type": "ip_addr", "value": "127.0.0.1"}, {"type": "ip_addr", "value": "198.51.100.0/24"}
    cloud.put(rules, {"rules": [here]}, 204)
    connect(cluster["connection"]).close()
    first = cloud.get(rules)["rules"][0]
    assert (first["type"], first["value"], first["cluster_uuid"]) == ("ip_addr", "127.0.0.1", cluster["id"])
    cloud.put(rules, {"rules": [here, elsewhere]}, 204)
    kept, _ = cloud.get(rules)["rules"]
    assert kept == first, "a rule that stays keeps its uuid and time"
    for only in ([elsewhere], [{"type": "app", "value": "5a4981aa-9653-4bd1-bef5-d6bff52042e4"}]):
        cloud.put(rules, {"rules": only}, 204)
        with pytest.raises(psycopg.OperationalError, match="no pg_hba"):
            connect(cluster["connection"])
    cloud.put(rules, {"rules": []}, 204)
    connect(cluster["connection"]).close()
    assert cloud.get(rules) == {"rules": []}


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ([{"type": "ip_addr", "value": "2001:db8::1"}], "IPv6"),
        ([{"type": "ip_addr", "value": "300.1.1.1"}], "not an IPv4 address"),
        ([{"type": "ip_addr", "value": "10.0.0.1/8"}], "host bits"),
        ([{"type": "vpc", "value": "10.0.0.0/8"}], "rules.0.type"),
        ([{"type": "ip_addr", "value": "10.0.0.1"}] * 2, "twice"),
        ([{"type": "ip_addr", "value": f"10.0.0.{number}"} for number in range(101)], "Allowed: 100"),
        ([{"type": "app", "value": ""}], "empty value"),
    ],
)
def test_wrong_trusted_sources_are_refused_as_a_whole(
    cloud: LocalCloud, path: str, rules: list[dict[str, str]], complaint: str
) -> None:
    answer = cloud.call("PUT", f"{path}/firewall", {"rules": rules})
    assert (answer.status, complaint in answer.message) == (422, True), answer.message
    assert cloud.get(f"{path}/firewall") == {"rules": []}


def test_changes_made_at_the_same_time_do_not_undo_each_other(
    cloud: LocalCloud, path: str, cluster: dict[str, Any]
) -> None:
    names = [f"same_time_{number}" for number in range(8)]
    settings = {"work_mem": 5, "jit": True, "deadlock_timeout": 1000, "wal_writer_delay": 20, "temp_file_limit": 7}
    with ThreadPoolExecutor(8) as threads:
        made = [threads.submit(cloud.post, f"{path}/dbs", {"name": name}) for name in names]
        patched = [
            threads.submit(cloud.call, "PATCH", f"{path}/config", {"config": {key: value}})
            for key, value in settings.items()
        ]
        for future in (*made, *patched):
            future.result()
    shown = cloud.get(path)["database"]["db_names"]
    assert set(names) <= set(shown)
    kept = cloud.get(f"{path}/config")["config"]
    assert {key: kept[key] for key in settings} == settings
    for name in names:
        cloud.delete(f"{path}/dbs/{name}")


def test_doadmin_makes_a_hypertable(cluster: dict[str, Any], connect: Connect) -> None:
    with connect(cluster["connection"]) as connection:
        offered = connection.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'")
        assert offered.fetchone() == (1,)
        connection.execute("CREATE DATABASE samples")
    try:
        way_in = cluster["connection"] | {"uri": cluster["connection"]["uri"].replace("/defaultdb?", "/samples?")}
        with connect(way_in) as connection:
            connection.execute("CREATE EXTENSION timescaledb")
            connection.execute("CREATE TABLE samples (at timestamptz NOT NULL, value float)")
            connection.execute("SELECT create_hypertable('samples', 'at')")
            assert connection.execute("SHOW timescaledb.license").fetchone() == ("apache",)
            assert connection.execute("SHOW timescaledb.telemetry_level").fetchone() == ("off",)
    finally:
        with connect(cluster["connection"]) as connection:
            # TimescaleDB's own worker ends when it is told to, and nobody but a superuser may end it.
            wait_until(partial(_dropped, connection, "samples"), "the database to be dropped")


def _dropped(connection: psycopg.Connection[Any], name: str) -> bool:
    try:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse):
        return False
    return True
