"""Clusters: ordering them, what they are, what is refused, their end."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.localcloud.cloud import LocalCloud

ORDER = {"name": "never", "engine": "pg", "version": "17", "size": "db-s-1vcpu-1gb", "region": "nyc1", "num_nodes": 1}


def test_a_new_cluster_is_creating_then_online_and_really_runs(
    cloud: LocalCloud, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    body = ORDER | {"name": "fresh", "private_network_uuid": "", "project_id": "", "rules": None, "tags": ["a", "b"]}
    created = cloud.post("/v2/databases", body)["database"]
    assert created["status"] == "creating"
    password = created["connection"]["password"]
    assert password.startswith("AVNS_")
    assert created["connection"]["port"] > 0
    path = f"/v2/databases/{created['id']}"
    online = cloud.online(path, "database")
    assert online["connection"]["password"] == password, "clients keep the password of the first answer"
    for host in ("connection", "private_connection"):
        assert online[host] == created[host], "what the first answer tells is where the servers are"
    assert (online["connection"]["user"], online["connection"]["database"]) == ("doadmin", "defaultdb")
    assert online["private_network_uuid"] in [
        vpc["id"] for vpc in cloud.get("/v2/vpcs?per_page=200")["vpcs"] if vpc["region"] == "nyc1" and vpc["default"]
    ]
    assert online["project_id"] == cloud.get("/v2/projects/default")["project"]["id"]
    assert (online["storage_size_mib"], online["db_names"], online["tags"]) == (10240, ["defaultdb"], ["a", "b"])
    for host in ("connection", "private_connection"):
        with connect(online[host]) as connection:
            row = connection.execute(
                "SELECT current_user, current_setting('server_version_num')::int / 10000"
            ).fetchone()
            assert row == ("doadmin", 17)
    assert created["id"] in [item["id"] for item in cloud.get("/v2/databases?tag_name=b")["databases"]]
    assert created["id"] not in [item["id"] for item in cloud.get("/v2/databases?tag_name=c")["databases"]]
    cloud.delete(path)
    assert cloud.call("GET", path).status == 404
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(online["connection"]["uri"], connect_timeout=5)
    assert not list((cloud.state / "clusters").glob(f"{created['id']}*"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"engine": "oracle"}, "there is no such engine"),
        ({"version": "12"}, "Allowed: 13, 14, 15, 16, 17, 18"),
        ({"version": "13"}, "not installed for this local cloud"),
        ({"size": "db-s-1vcpu-3gb"}, "Allowed: db-s-1vcpu-1gb"),
        ({"region": "nyc9"}, "Allowed: nyc1"),
        ({"num_nodes": 2}, "1 GiB plan has no standby"),
        ({"num_nodes": 4, "size": "db-s-1vcpu-2gb"}, "1 to 3"),
        ({"num_nodes": 0}, "num_nodes 0"),
        ({"name": "shared"}, "another database cluster"),
        ({"name": "with_underscore"}, "lower-case letters, digits and dashes"),
        ({"storage_size_mib": 1024}, "10240 to"),
        ({"storage_size_mib": 10_000_000}, "10240 to"),
        ({"private_network_uuid": "5a4981aa-9653-4bd1-bef5-d6bff52042e4"}, "no VPC with this id"),
        ({"project_id": "5a4981aa-9653-4bd1-bef5-d6bff52042e4"}, "no project with this id"),
        ({"tags": ["no spaces"]}, "tags"),
        ({"rules": [{"type": "ip_addr", "value": "::1"}]}, "IPv6"),
    ],
)
def test_a_wrong_order_is_refused_and_nothing_is_made(
    cloud: LocalCloud, cluster: dict[str, Any], change: dict[str, Any], complaint: str
) -> None:
    answer = cloud.call("POST", "/v2/databases", ORDER | change)
    assert (answer.status, answer.body["id"]) == (422, "unprocessable_entity")
    assert complaint in answer.message
    assert [item["name"] for item in cloud.get("/v2/databases?per_page=200")["databases"]].count("never") == 0


def test_a_vpc_of_another_region_is_refused(cloud: LocalCloud) -> None:
    vpc = cloud.post("/v2/vpcs", {"name": "abroad", "region": "lon1"})["vpc"]
    answer = cloud.call("POST", "/v2/databases", ORDER | {"private_network_uuid": vpc["id"]})
    assert (answer.status, answer.message.endswith("is in lon1, not in nyc1.")) == (422, True)
    cloud.delete(f"/v2/vpcs/{vpc['id']}")


def test_what_does_not_run_here_is_not_implemented(cloud: LocalCloud) -> None:
    assert cloud.call("POST", "/v2/databases", ORDER | {"engine": "mysql"}).status == 501


def test_an_unknown_cluster_is_not_found(cloud: LocalCloud) -> None:
    path = "/v2/databases/00000000-0000-4000-8000-000000000000"
    for method, rest in [("GET", ""), ("DELETE", ""), ("GET", "/dbs"), ("GET", "/users/x"), ("GET", "/ca")]:
        answer = cloud.call(method, path + rest)
        assert (answer.status, answer.body["id"]) == (404, "not_found")


def test_maintenance_window_updates_and_events(cloud: LocalCloud, cluster: dict[str, Any]) -> None:
    path = f"/v2/databases/{cluster['id']}"
    cloud.put(f"{path}/maintenance", {"day": "Tuesday", "hour": "14:00"}, 204)
    window = cloud.get(path)["database"]["maintenance_window"]
    assert (window["day"], window["hour"]) == ("tuesday", "14:00:00")
    assert cloud.call("PUT", f"{path}/maintenance", {"day": "Someday", "hour": "14:00"}).status == 422
    assert cloud.call("PUT", f"{path}/maintenance", {"day": "monday", "hour": "25:00"}).status == 422
    cloud.put(f"{path}/install_update", None, 204)
    assert cloud.get(f"{path}/events")["events"][0]["event_type"] == "cluster_create"


def test_an_upgrade_must_be_to_a_newer_version_that_is_offered(cloud: LocalCloud, cluster: dict[str, Any]) -> None:
    path = f"/v2/databases/{cluster['id']}/upgrade"
    for version in ("17", "16", "99"):
        assert cloud.call("PUT", path, {"version": version}).status == 422


def test_configuration_is_checked_and_kept(cloud: LocalCloud, cluster: dict[str, Any]) -> None:
    path = f"/v2/databases/{cluster['id']}/config"
    given = {"work_mem": 8, "jit": False, "track_functions": "all", "pgbouncer": {"server_lifetime": 600}}
    assert cloud.call("PATCH", path, {"config": given}).status == 200
    assert cloud.call("PATCH", path, {"config": {"work_mem": 16}}).status == 200
    assert cloud.get(path)["config"].items() >= (given | {"work_mem": 16}).items()
    before = cloud.get(path)["config"]
    for wrong in ({"work_mem": 0}, {"jit": "yes"}, {"no_such_setting": 1}, {"pgbouncer": {"x": 1}}, {"work_mem": True}):
        answer = cloud.call("PATCH", path, {"config": wrong})
        assert answer.status == 422, wrong
        assert answer.message.startswith(f"config.{next(iter(wrong))}: ")
    assert cloud.get(path)["config"] == before


def test_the_configuration_of_a_fresh_cluster_is_what_its_server_has(cloud: LocalCloud) -> None:
    fresh = cloud.create_cluster("fresh-settings")
    config = cloud.get(f"/v2/databases/{fresh['id']}/config")["config"]
    expected = {
        "work_mem": 4,
        "autovacuum_naptime": 60,
        "autovacuum_vacuum_scale_factor": 0.2,
        "bgwriter_flush_after": 512,
        "deadlock_timeout": 1000,
        "idle_in_transaction_session_timeout": 0,
        "jit": True,
        "log_error_verbosity": "DEFAULT",
        "max_stack_depth": 2097152,
        "temp_file_limit": -1,
        "track_functions": "none",
        "wal_sender_timeout": 60000,
    }
    assert {name: config.get(name) for name in expected} == expected
    again = cloud.call("PATCH", f"/v2/databases/{fresh['id']}/config", {"config": config})
    assert again.status == 200, "what is shown can be sent back"
    cloud.delete(f"/v2/databases/{fresh['id']}")


def test_configuration_reaches_the_server(
    cloud: LocalCloud, cluster: dict[str, Any], connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    path = f"/v2/databases/{cluster['id']}/config"
    given: dict[str, Any] = {
        "work_mem": 7,
        "idle_in_transaction_session_timeout": 90_000,
        "log_min_duration_statement": -1,
        "autovacuum_naptime": 30,
        "autovacuum_vacuum_scale_factor": 0.05,
        "jit": False,
        "timezone": "Europe/Berlin",
        "pg_stat_statements.track": "all",
        "temp_file_limit": 5000,
    }
    assert cloud.call("PATCH", path, {"config": given}).status == 200
    with connect(cluster["connection"]) as session:
        shown = [session.execute(f"SHOW {name}".encode()).fetchone() for name in given]
        assert [row[0] for row in shown if row] == [
            "7MB",
            "90s",
            "-1",
            "30s",
            "0.05",
            "off",
            "Europe/Berlin",
            "all",
            "5000kB",
        ]
        assert cloud.call("PATCH", path, {"config": {"work_mem": 9}}).status == 200
        assert session.execute("SHOW work_mem").fetchone() == ("9MB",), "open sessions follow too"
        refused = cloud.call("PATCH", path, {"config": {"work_mem": 11, "timezone": "Mars/Olympus"}})
        assert (refused.status, "timezone" in refused.message.lower()) == (422, True), refused.message
        assert session.execute("SHOW work_mem").fetchone() == ("9MB",)
    assert cloud.get(path)["config"].items() >= {"work_mem": 9, "timezone": "Europe/Berlin"}.items()
    back = {"timezone": "UTC", "temp_file_limit": -1, "idle_in_transaction_session_timeout": 0}
    assert cloud.call("PATCH", path, {"config": back}).status == 200


def test_storage_autoscaling_is_shown_in_both_shapes(cloud: LocalCloud, cluster: dict[str, Any]) -> None:
    path = f"/v2/databases/{cluster['id']}"
    storage = {"enabled": True, "threshold_percent": 80, "increment_gib": 10}
    cloud.put(f"{path}/autoscale", {"storage": storage}, 204)
    shown = cloud.get(f"{path}/autoscale")
    assert shown == {"autoscale": {"storage": storage}, "storage": storage}
    assert cloud.get(path)["database"]["autoscale"] == {"storage": storage}
    for wrong in ({"enabled": True, "threshold_percent": 5}, {"enabled": True, "increment_gib": 1}, {}):
        assert cloud.call("PUT", f"{path}/autoscale", {"storage": wrong}).status == 422


@pytest.mark.parametrize("off", [{"enabled": False}, {"enabled": False, "threshold_percent": 0, "increment_gib": 0}])
def test_storage_autoscaling_is_switched_off_as_the_official_clients_do(
    cloud: LocalCloud, cluster: dict[str, Any], off: dict[str, Any]
) -> None:
    path = f"/v2/databases/{cluster['id']}/autoscale"
    cloud.put(path, {"storage": {"enabled": True, "threshold_percent": 80, "increment_gib": 10}}, 204)
    cloud.put(path, {"storage": off}, 204)
    assert cloud.get(path)["storage"] == {"enabled": False}
