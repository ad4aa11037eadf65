"""The whole life of a cluster through DigitalOcean's own Python client."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from azure.core.exceptions import HttpResponseError
from pydo import Client

from tests.localcloud.cloud import LocalCloud, wait_until


@pytest.fixture(scope="module")
def client(cloud: LocalCloud) -> Iterator[Client]:
    """As pydo's README makes one; it sends its token over TLS alone, and trusts what REQUESTS_CA_BUNDLE names."""
    with pytest.MonkeyPatch.context() as patch:
        endpoints = cloud.get("/_local/endpoints")
        patch.setenv("REQUESTS_CA_BUNDLE", endpoints["authority"])
        yield Client(token=cloud.token, endpoint=endpoints["tls"])


def test_the_life_of_a_cluster(client: Client, cloud: LocalCloud) -> None:
    vpc = client.vpcs.create({"name": "pydo", "region": "nyc3", "ip_range": "10.60.0.0/20"})["vpc"]
    databases = client.databases
    order = {
        "name": "pydo",
        "engine": "pg",
        "version": "17",
        "size": "db-s-1vcpu-1gb",
        "region": "nyc3",
        "num_nodes": 1,
        "private_network_uuid": vpc["id"],
    }
    cluster_id = databases.create_cluster(order)["database"]["id"]

    def cluster() -> dict[str, Any]:
        found: dict[str, Any] = databases.get_cluster(cluster_id)["database"]
        return found

    wait_until(lambda: cluster()["status"] == "online", "the cluster to be online")
    databases.add(cluster_id, {"name": "app"})
    user = databases.add_user(cluster_id, {"name": "app"})["user"]
    pool = {"name": "pool", "mode": "transaction", "size": 10, "db": "app", "user": "app"}
    made = databases.add_connection_pool(cluster_id, pool)["pool"]
    assert made["connection"]["password"] == user["password"]
    rules = {"rules": [{"type": "ip_addr", "value": "127.0.0.1"}]}
    databases.update_firewall_rules(cluster_id, rules)
    assert len(databases.list_firewall_rules(cluster_id)["rules"]) == 1
    with psycopg.connect(made["connection"]["uri"], prepare_threshold=None) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("app",)
    databases.update_cluster_size(cluster_id, {"size": "db-s-1vcpu-2gb", "num_nodes": 1})
    wait_until(lambda: cluster()["status"] == "online", "the resize to end")
    assert cluster()["size"] == "db-s-1vcpu-2gb"
    databases.create_replica(cluster_id, {"name": "reader", "size": "db-s-1vcpu-2gb", "region": "nyc3"})

    def replica() -> dict[str, Any]:
        found: dict[str, Any] = databases.get_replica(cluster_id, "reader")["replica"]
        return found

    wait_until(lambda: replica()["status"] == "online", "the replica to be online")
    assert databases.get_ca(cluster_id)["ca"]["certificate"]
    names = [item["name"] for item in databases.list(cluster_id)["dbs"]]
    assert names == ["defaultdb", "app"] or names == ["app", "defaultdb"]
    databases.destroy_replica(cluster_id, "reader")
    databases.delete_connection_pool(cluster_id, "pool")
    databases.delete_user(cluster_id, "app")
    databases.delete(cluster_id, "app")
    databases.destroy_cluster(cluster_id)
    client.vpcs.delete(vpc["id"])
    assert cluster_id not in [item["id"] for item in databases.list_clusters().get("databases", [])]


def test_an_error_reaches_the_client_with_its_text(client: Client) -> None:
    with pytest.raises(HttpResponseError, match="not a private range") as caught:
        client.vpcs.create({"name": "bad", "region": "nyc3", "ip_range": "8.8.0.0/16"})
    assert caught.value.status_code == 422


def test_the_client_walks_pages(client: Client) -> None:
    for number in range(25):
        client.tags.create({"name": f"walk-{number}"})
    first = client.tags.list()
    second = client.tags.list(page=2)
    assert len(first["tags"]) == 20
    assert first["meta"]["total"] == 20 + len(second["tags"])
    for number in range(25):
        client.tags.delete(f"walk-{number}")
