"""Private networks."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.localcloud.cloud import LocalCloud


@pytest.fixture
def vpc(cloud: LocalCloud) -> Iterator[dict[str, Any]]:
    body = {"name": "net", "region": "fra1", "ip_range": "10.40.0.0/16", "description": "for tests"}
    vpc = cloud.post("/v2/vpcs", body)["vpc"]
    yield vpc
    cloud.delete(f"/v2/vpcs/{vpc['id']}")


def test_a_vpc_is_kept_as_it_was_asked_for(cloud: LocalCloud, vpc: dict[str, Any]) -> None:
    shown = cloud.get(f"/v2/vpcs/{vpc['id']}")["vpc"]
    assert shown == vpc
    assert shown["urn"] == f"do:vpc:{vpc['id']}"
    assert (shown["ip_range"], shown["region"], shown["default"]) == ("10.40.0.0/16", "fra1", False)
    assert vpc in cloud.get("/v2/vpcs?per_page=200")["vpcs"]


def test_every_region_in_use_has_a_default_vpc_that_stays(cloud: LocalCloud, vpc: dict[str, Any]) -> None:
    vpcs = cloud.get("/v2/vpcs?per_page=200")["vpcs"]
    default = [item for item in vpcs if item["region"] == "fra1" and item["default"]]
    assert len(default) == 1
    answer = cloud.call("DELETE", f"/v2/vpcs/{default[0]['id']}")
    assert (answer.status, answer.message) == (403, "Can not delete default VPCs")


def test_put_and_patch_change_name_and_description_only(cloud: LocalCloud, vpc: dict[str, Any]) -> None:
    path = f"/v2/vpcs/{vpc['id']}"
    assert cloud.put(path, {"name": "net-2", "description": ""}, 200)["vpc"]["name"] == "net-2"
    changed = cloud.call("PATCH", path, {"description": "again"}).body["vpc"]
    assert changed == vpc | {"name": "net-2", "description": "again"}


def test_an_omitted_range_is_chosen_so_that_it_is_free(cloud: LocalCloud) -> None:
    first, second = (cloud.post("/v2/vpcs", {"name": f"free-{n}", "region": "ams3"})["vpc"] for n in (1, 2))
    assert first["ip_range"] != second["ip_range"]
    assert first["ip_range"].endswith("/20")
    for made in (first, second):
        cloud.delete(f"/v2/vpcs/{made['id']}")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"ip_range": "11.0.0.0/16"}, "not a private range"),
        ({"ip_range": "172.32.0.0/16"}, "not a private range"),
        ({"ip_range": "10.0.0.0/8"}, "/16 to /28"),
        ({"ip_range": "192.168.0.0/29"}, "/16 to /28"),
        ({"ip_range": "10.41.0.1/16"}, "host bits"),
        ({"ip_range": "fd00::/64"}, "not an IPv4 range"),
        ({"ip_range": "10.244.0.0/20"}, "reserves"),
        ({"ip_range": "10.40.128.0/20"}, "10.40.0.0/16 of the VPC net"),
        ({"name": "net"}, "has this name"),
        ({"name": "under_score"}, "letters, digits, dots and dashes"),
        ({"region": "mars1"}, "Allowed: nyc1"),
        ({"description": "x" * 256}, "256 characters"),
    ],
)
def test_a_wrong_vpc_is_refused_and_the_error_says_why(
    cloud: LocalCloud, vpc: dict[str, Any], change: dict[str, str], complaint: str
) -> None:
    before = cloud.get("/v2/vpcs?per_page=200")["meta"]["total"]
    answer = cloud.call("POST", "/v2/vpcs", {"name": "other", "region": "fra1", "ip_range": "10.42.0.0/16"} | change)
    assert (answer.status, answer.body["id"]) == (422, "unprocessable_entity")
    assert complaint in answer.message
    assert cloud.get("/v2/vpcs?per_page=200")["meta"]["total"] == before


def test_a_vpc_with_members_cannot_be_deleted(cloud: LocalCloud, cluster: dict[str, Any]) -> None:
    network = cluster["private_network_uuid"]
    members = cloud.get(f"/v2/vpcs/{network}/members")["members"]
    assert f"do:dbaas:{cluster['id']}" in [member["urn"] for member in members]
    made = cloud.post("/v2/vpcs", {"name": "inhabited", "region": "sfo3"})["vpc"]
    # A cluster counts from the moment it was ordered; it need not be online.
    asked = {"name": "tenant", "engine": "pg", "size": "db-s-1vcpu-1gb", "region": "sfo3", "num_nodes": 1}
    tenant = cloud.post("/v2/databases", asked | {"private_network_uuid": made["id"]})["database"]
    answer = cloud.call("DELETE", f"/v2/vpcs/{made['id']}")
    assert (answer.status, answer.message) == (403, "Can not delete VPC with members")
    cloud.delete(f"/v2/databases/{tenant['id']}")
    cloud.delete(f"/v2/vpcs/{made['id']}")


def test_an_unknown_vpc_is_not_found(cloud: LocalCloud) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = cloud.call(method, "/v2/vpcs/00000000-0000-4000-8000-000000000000", {"name": "x"})
        assert (answer.status, answer.body["id"]) == (404, "not_found")
