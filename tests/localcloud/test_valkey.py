"""Valkey clusters: ordered like any other, a real server behind them, their own settings, what they do not have."""

import base64
import json
import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from localcloud.servers.resp import Refused, Session
from tests.localcloud.cloud import LocalCloud

ORDER = {"engine": "valkey", "version": "8"}


@pytest.fixture(scope="module")
def cache(cloud: LocalCloud) -> dict[str, Any]:
    return cloud.create_cluster("cache", **ORDER)


def authority(cloud: LocalCloud, cluster: dict[str, Any]) -> str:
    return base64.b64decode(cloud.ca(cluster["id"])).decode()


@pytest.fixture(scope="module")
def ca(cloud: LocalCloud, cache: dict[str, Any]) -> str:
    return authority(cloud, cache)


def connect(ca: str, way_in: dict[str, Any]) -> Session:
    """A session by the URI the API shows, the server's certificate and name verified."""
    uri = urlsplit(way_in["uri"])
    assert (uri.scheme, uri.path) == ("rediss", "")
    assert uri.hostname and uri.port and uri.username and uri.password
    context = ssl.create_default_context(cadata=ca)
    plain = socket.create_connection((uri.hostname, uri.port), timeout=60)
    session = Session(context.wrap_socket(plain, server_hostname=uri.hostname))
    try:
        session.execute("AUTH", uri.username, unquote(uri.password))
    except BaseException:
        session.close()
        raise
    return session


def info(session: Session, name: str) -> str:
    """One value of the server's own report."""
    lines = str(session.execute("INFO", "everything")).splitlines()
    return next(line.partition(":")[2] for line in lines if line.startswith(f"{name}:"))


def test_it_is_a_real_server_on_both_hosts(cloud: LocalCloud, ca: str, cache: dict[str, Any]) -> None:
    assert (cache["engine"], cache["version"], cache["db_names"]) == ("valkey", "8", [])
    assert [(user["name"], user["role"]) for user in cache["users"]] == [("default", "primary")]
    with connect(ca, cache["connection"]) as public, connect(ca, cache["private_connection"]) as private:
        public.execute("SET", "greeting", "hello")
        assert private.execute("GET", "greeting") == "hello"
        assert info(public, "maxmemory") == str(716 * 1024 * 1024), "70 % of the plan's GiB"
        assert info(public, "maxmemory_policy") == "noeviction"
        assert int(info(public, "redis_version").split(".")[0]) >= 7


def test_it_can_be_ordered_by_what_the_options_say(cloud: LocalCloud) -> None:
    options = cloud.get("/v2/databases/options")
    assert options["options"]["valkey"]["versions"] == ["8"]
    assert options["version_availability"]["valkey"][0]["version"] == "8"
    for change, complaint in (
        ({"version": "7"}, "version 7: not a Valkey version that is offered. Allowed: 8."),
        ({"size": "db-s-1vcpu-3gb"}, "there is no such plan"),
    ):
        order = {**ORDER, "name": "never", "size": "db-s-1vcpu-1gb", "region": "nyc1", "num_nodes": 1}
        answer = cloud.call("POST", "/v2/databases", order | change)
        assert (answer.status, complaint in answer.message) == (422, True)


def test_the_eviction_policy_reaches_the_server(cloud: LocalCloud, ca: str, cache: dict[str, Any]) -> None:
    path = f"/v2/databases/{cache['id']}"
    assert cloud.get(f"{path}/eviction_policy") == {"eviction_policy": "noeviction"}
    cloud.put(f"{path}/eviction_policy", {"eviction_policy": "allkeys_lru"}, 204)
    with connect(ca, cache["connection"]) as session:
        assert info(session, "maxmemory_policy") == "allkeys-lru"
        assert (
            cloud.call("PATCH", f"{path}/config", {"config": {"valkey_maxmemory_policy": "volatile_ttl"}}).status == 200
        )
        assert info(session, "maxmemory_policy") == "volatile-ttl"
        assert cloud.get(f"{path}/config")["config"]["valkey_maxmemory_policy"] == "volatile-ttl"
    assert cloud.get(f"{path}/eviction_policy") == {"eviction_policy": "volatile_ttl"}
    answer = cloud.call("PUT", f"{path}/eviction_policy", {"eviction_policy": "keep_the_nice_ones"})
    assert (answer.status, "allkeys_lru" in answer.message) == (422, True)


def test_settings_are_checked_and_reach_the_server(cloud: LocalCloud, ca: str, cache: dict[str, Any]) -> None:
    path = f"/v2/databases/{cache['id']}/config"
    assert cloud.get(path)["config"]["valkey_timeout"] == 300
    changes = {"valkey_notify_keyspace_events": "KEA", "valkey_number_of_databases": 20, "frequent_snapshots": False}
    with connect(ca, cache["connection"]) as session:
        session.execute("SET", "before", "kept")
    assert cloud.call("PATCH", path, {"config": changes}).status == 200
    assert cloud.get(path)["config"].items() >= changes.items()
    with connect(ca, cache["connection"]) as session:
        assert session.execute("GET", "before") == "kept"
        assert session.execute("SELECT", 19) == "OK"
        with pytest.raises(Refused, match="out of range"):
            session.execute("SELECT", 20)
    for wrong in ({"valkey_timeout": -1}, {"valkey_persistence": "aof"}, {"work_mem": 8}, {"valkey_ssl": "yes"}):
        answer = cloud.call("PATCH", path, {"config": wrong})
        assert answer.status == 422, wrong
        assert answer.message.startswith(f"config.{next(iter(wrong))}: ")


def test_trusted_sources_open_and_close_the_server(cloud: LocalCloud, ca: str, cache: dict[str, Any]) -> None:
    path = f"/v2/databases/{cache['id']}/firewall"
    for rules, admitted in (
        ([{"type": "ip_addr", "value": "203.0.113.7"}], False),
        ([{"type": "tag", "value": "web"}], False),
        ([{"type": "ip_addr", "value": "203.0.113.7"}, {"type": "ip_addr", "value": "127.0.0.1"}], True),
        ([], True),
    ):
        cloud.put(path, {"rules": rules}, 204)
        if admitted:
            connect(ca, cache["connection"]).close()
        else:
            with pytest.raises(Refused, match="WRONGPASS"):
                connect(ca, cache["connection"])


def test_a_new_password_is_the_servers_password(cloud: LocalCloud, ca: str) -> None:
    cluster = cloud.create_cluster("rotated", **ORDER)
    path = f"/v2/databases/{cluster['id']}"
    new = cloud.post(f"{path}/users/default/reset_auth", {}, 200)["user"]["password"]
    assert new != cluster["connection"]["password"]
    with pytest.raises(Refused, match="WRONGPASS"):
        connect(ca, cluster["connection"])
    connect(ca, cloud.get(path)["database"]["connection"]).close()
    cloud.delete(path)


def test_a_resize_gives_memory_and_keeps_the_data(cloud: LocalCloud, ca: str) -> None:
    cluster = cloud.create_cluster("growing", **ORDER)
    path = f"/v2/databases/{cluster['id']}"
    with connect(ca, cluster["connection"]) as session:
        session.execute("SET", "kept", "yes")
        cloud.put(f"{path}/resize", {"size": "db-s-1vcpu-2gb", "num_nodes": 1}, 202)
        cloud.online(path, "database")
        assert info(session, "maxmemory") == str(1433 * 1024 * 1024)
        assert session.execute("GET", "kept") == "yes"
    cloud.delete(path)
    assert not list((cloud.state / "clusters").glob(f"{cluster['id']}*"))


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("POST", "/dbs", {"name": "x"}),
        ("POST", "/users", {"name": "x"}),
        ("DELETE", "/users/default", None),
        ("POST", "/pools", {"name": "x", "mode": "session", "size": 1, "db": "x"}),
        ("POST", "/replicas", {"name": "reads"}),
        ("GET", "/backups", None),
    ],
)
def test_what_valkey_does_not_have_is_refused(
    cloud: LocalCloud, cache: dict[str, Any], method: str, rest: str, body: Any
) -> None:
    answer = cloud.call(method, f"/v2/databases/{cache['id']}{rest}", body)
    assert (answer.status, "not supported for Valkey clusters" in answer.message) == (422, True)


def test_postgresql_has_no_eviction_policy(cloud: LocalCloud, cluster: dict[str, Any]) -> None:
    answer = cloud.call("GET", f"/v2/databases/{cluster['id']}/eviction_policy")
    assert (answer.status, "not supported for PostgreSQL clusters" in answer.message) == (422, True)


def test_it_comes_back_with_its_data_and_settings_when_snapshots_are_kept(
    make_cloud: Callable[..., LocalCloud],
) -> None:
    cloud = make_cloud()
    clusters = {mode: cloud.create_cluster(f"cache-{mode}", **ORDER) for mode in ("rdb", "off")}
    ca = authority(cloud, clusters["rdb"])
    for mode, cluster in clusters.items():
        path = f"/v2/databases/{cluster['id']}"
        assert cloud.call("PATCH", f"{path}/config", {"config": {"valkey_persistence": mode}}).status == 200
        cloud.put(f"{path}/eviction_policy", {"eviction_policy": "allkeys_lru"}, 204)
        with connect(ca, cluster["connection"]) as session:
            session.execute("SET", "kept", mode)
    cloud.stop()
    with pytest.raises(OSError, match="refused"):
        connect(ca, clusters["rdb"]["connection"])
    cloud.start()
    for mode, cluster in clusters.items():
        again = cloud.online(f"/v2/databases/{cluster['id']}", "database")
        assert again["connection"] == cluster["connection"]
        with connect(ca, again["connection"]) as session:
            assert session.execute("GET", "kept") == ("rdb" if mode == "rdb" else None)
            assert info(session, "maxmemory_policy") == "allkeys-lru"


def test_the_command_shows_it(cloud: LocalCloud, cache: dict[str, Any]) -> None:
    shown = cloud.command("status").stdout
    assert f"Valkey 8, {cache['size']}" in shown
    assert "Ready to accept connections" in cloud.command("logs", "cache/valkey").stdout


def test_an_app_gets_the_way_in(cloud: LocalCloud, cache: dict[str, Any]) -> None:
    database = {"name": "cache", "engine": "VALKEY", "production": True, "cluster_name": "cache"}
    variables = [
        {"key": "CACHE", "value": "${cache.DATABASE_PRIVATE_URL}"},
        {"key": "WHO", "value": "${cache.USERNAME}"},
    ]
    service = {"name": "web", "image": {"registry_type": "DOCR", "repository": "x"}, "envs": variables}
    spec = {"name": "cached", "region": "nyc", "databases": [database], "services": [service]}
    app = cloud.post("/v2/apps", {"spec": spec}, 200)["app"]
    environment = json.loads(cloud.command("env", "cached", "--json").stdout)
    assert environment == {"CACHE": cache["private_connection"]["uri"], "WHO": "default"}
    cloud.delete(f"/v2/apps/{app['id']}", 200)
    answer = cloud.call("POST", "/v2/apps", {"spec": {**spec, "databases": [database | {"engine": "PG"}]}})
    assert (answer.status, "PG: cache runs Valkey" in answer.message) == (422, True)
