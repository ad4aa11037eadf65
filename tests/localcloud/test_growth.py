"""Resize, migrate and replicas: what happens to a cluster that lives."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.localcloud.cloud import LocalCloud, wait_until

Connect = Callable[..., psycopg.Connection[Any]]


@pytest.fixture(scope="module")
def grown(cloud: LocalCloud) -> Iterator[dict[str, Any]]:
    cluster = cloud.create_cluster("growing")
    yield cluster
    cloud.delete(f"/v2/databases/{cluster['id']}")


def max_connections(connect: Connect, way_in: dict[str, Any]) -> int:
    with connect(way_in) as connection:
        row = connection.execute("SHOW max_connections").fetchone()
        assert row is not None
        return int(row[0])


def test_a_resize_keeps_data_ports_and_password_and_brings_the_new_limit(
    cloud: LocalCloud, grown: dict[str, Any], connect: Connect
) -> None:
    path = f"/v2/databases/{grown['id']}"
    with connect(grown["connection"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert max_connections(connect, grown["connection"]) == 25
    cloud.put(f"{path}/resize", {"size": "db-s-1vcpu-2gb", "num_nodes": 1}, 202)
    after = cloud.online(path, "database")
    assert (after["size"], after["storage_size_mib"]) == ("db-s-1vcpu-2gb", 30720)
    assert after["connection"] == grown["connection"]
    assert max_connections(connect, after["connection"]) == 50
    with connect(after["connection"]) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"size": "db-s-1vcpu-1gb"}, "can only grow"),
        ({"size": "db-s-2vcpu-4gb", "storage_size_mib": 30720}, "61440 to"),
        ({"num_nodes": 4}, "1 to 3"),
        ({"size": "none"}, "no such plan"),
    ],
)
def test_a_cluster_cannot_shrink(
    cloud: LocalCloud, grown: dict[str, Any], change: dict[str, Any], complaint: str
) -> None:
    path = f"/v2/databases/{grown['id']}"
    answer = cloud.call("PUT", f"{path}/resize", {"size": "db-s-1vcpu-2gb", "num_nodes": 1} | change)
    assert (answer.status, complaint in answer.message) == (422, True), answer.message
    assert cloud.get(path)["database"]["status"] == "online"


def test_a_replica_streams_has_its_own_port_trusted_sources_and_size(
    cloud: LocalCloud, grown: dict[str, Any], connect: Connect
) -> None:
    path = f"/v2/databases/{grown['id']}"
    body = {"name": "reader", "size": "db-s-1vcpu-2gb", "region": "nyc1", "tags": ["ro"]}
    created = cloud.post(f"{path}/replicas", body)["replica"]
    assert created["status"] == "forking"
    replica = cloud.online(f"{path}/replicas/reader", "replica")
    assert replica["id"] == created["id"]
    assert replica["private_network_uuid"] == grown["private_network_uuid"]
    assert replica["connection"] == created["connection"]
    assert replica["connection"]["port"] not in (0, grown["connection"]["port"])
    assert [item["name"] for item in cloud.get(f"{path}/replicas")["replicas"]] == ["reader"]
    with connect(grown["connection"]) as writer, connect(replica["connection"]) as reader:
        writer.execute("CREATE TABLE streamed AS SELECT 7 AS seven")

        def arrived() -> bool:
            return reader.execute("SELECT to_regclass('streamed') IS NOT NULL").fetchone() == (True,)

        wait_until(arrived, "the replica to catch up")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("CREATE TABLE refused (x int)")
    members = cloud.get(f"/v2/vpcs/{grown['private_network_uuid']}/members?per_page=200")["members"]
    assert f"do:dbaas:{replica['id']}" in [member["urn"] for member in members]

    by_id = f"/v2/databases/{replica['id']}"
    cloud.put(f"{by_id}/firewall", {"rules": [{"type": "ip_addr", "value": "198.51.100.7"}]}, 204)
    assert cloud.get(f"{by_id}/firewall")["rules"][0]["cluster_uuid"] == replica["id"]
    assert cloud.get(f"{path}/firewall") == {"rules": []}
    with pytest.raises(psycopg.OperationalError, match="no pg_hba"):
        connect(replica["connection"])
    connect(grown["connection"]).close()
    cloud.put(f"{by_id}/firewall", {"rules": []}, 204)

    cloud.put(f"{path}/resize", {"size": "db-s-2vcpu-4gb", "num_nodes": 1}, 202)
    cloud.online(path, "database")
    connect(cloud.online(f"{path}/replicas/reader", "replica")["connection"]).close()
    cloud.put(f"{by_id}/resize", {"size": "db-s-2vcpu-4gb", "num_nodes": 1}, 202)
    resized = cloud.online(f"{path}/replicas/reader", "replica")
    assert (resized["size"], resized["connection"]["port"]) == ("db-s-2vcpu-4gb", replica["connection"]["port"])
    assert max_connections(connect, resized["connection"]) == 100
    assert cloud.call("PUT", f"{by_id}/resize", {"size": "db-s-2vcpu-4gb", "num_nodes": 2}).status == 422

    taken = cloud.call("POST", f"{path}/replicas", body | {"size": "db-s-2vcpu-4gb"})
    assert (taken.status, "not available" in taken.message) == (422, True)
    assert cloud.call("POST", f"{path}/replicas", {"name": "tiny", "size": "db-s-1vcpu-1gb"}).status == 422
    cloud.delete(f"{path}/replicas/reader")
    assert cloud.call("GET", f"{path}/replicas/reader").status == 404
    with pytest.raises(psycopg.OperationalError):
        connect(replica["connection"])


def test_a_replica_in_another_region_is_in_a_network_there(
    cloud: LocalCloud, grown: dict[str, Any], connect: Connect
) -> None:
    path = f"/v2/databases/{grown['id']}"
    vpc = cloud.post("/v2/vpcs", {"name": "abroad", "region": "ams3"})["vpc"]
    body = {"name": "abroad", "region": "ams3", "private_network_uuid": vpc["id"]}
    wrong = cloud.call("POST", f"{path}/replicas", body | {"region": "lon1"})
    assert (wrong.status, wrong.message.endswith("the VPC abroad is in ams3, not in lon1.")) == (422, True)
    wrong = cloud.call("POST", f"{path}/replicas", body | {"private_network_uuid": grown["private_network_uuid"]})
    assert (wrong.status, wrong.message.endswith("is in nyc1, not in ams3.")) == (422, True)
    assert cloud.get(f"{path}/replicas")["replicas"] == []

    cloud.post(f"{path}/replicas", body)
    replica = cloud.online(f"{path}/replicas/abroad", "replica")
    assert (replica["region"], replica["private_network_uuid"]) == ("ams3", vpc["id"])
    members = cloud.get(f"/v2/vpcs/{vpc['id']}/members")["members"]
    assert [member["urn"] for member in members] == [f"do:dbaas:{replica['id']}"]
    with connect(replica["private_connection"]) as reader:
        assert reader.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
    assert cloud.call("DELETE", f"/v2/vpcs/{vpc['id']}").status == 403
    cloud.delete(f"{path}/replicas/abroad")
    cloud.delete(f"/v2/vpcs/{vpc['id']}")

    cloud.post(f"{path}/replicas", {"name": "default-abroad", "region": "fra1"})
    replica = cloud.online(f"{path}/replicas/default-abroad", "replica")
    default = cloud.get(f"/v2/vpcs/{replica['private_network_uuid']}")["vpc"]
    assert (default["region"], default["default"]) == ("fra1", True)
    cloud.delete(f"{path}/replicas/default-abroad")


def test_a_migration_moves_to_the_default_network_of_the_new_region(
    cloud: LocalCloud, grown: dict[str, Any], connect: Connect
) -> None:
    path = f"/v2/databases/{grown['id']}"
    assert cloud.call("PUT", f"{path}/migrate", {"region": "nyc1"}).status == 422
    cloud.put(f"{path}/migrate", {"region": "sgp1"}, 202)
    moved = cloud.online(path, "database")
    assert moved["region"] == "sgp1"
    assert cloud.get(f"/v2/vpcs/{moved['private_network_uuid']}")["vpc"]["region"] == "sgp1"
    with connect(moved["connection"]) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
