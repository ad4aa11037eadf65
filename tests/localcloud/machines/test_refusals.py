"""What the calls about Droplets refuse, and what they keep. No machine boots here."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.localcloud.cloud import LocalCloud

pytestmark = pytest.mark.droplets

DROPLET = {"name": "none", "region": "sfo3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
VOLUME = {"name": "spare", "region": "sfo3", "size_gigabytes": 1}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ops"
RULE = {"protocol": "tcp", "ports": "5432", "sources": {"addresses": ["10.0.0.0/16"]}}


@pytest.fixture(scope="module")
def spare(cloud: LocalCloud) -> Iterator[dict[str, Any]]:
    volume = cloud.post("/v2/volumes", VOLUME | {"tags": ["kept"]})["volume"]
    yield volume
    cloud.delete(f"/v2/volumes/{volume['id']}")


@pytest.mark.parametrize(
    ("change", "status", "complaint"),
    [
        ({"size": "s-9vcpu"}, 422, "Allowed: s-1vcpu-512mb-10gb"),
        ({"image": "ubuntu-24-04-x64"}, 501, "it has debian-12-x64"),
        ({"region": "mars1"}, 422, "Allowed: nyc1"),
        ({"name": "under_score"}, 422, "hostname characters"),
        ({"name": "under_score", "region": None}, 422, "hostname characters"),
        ({"vpc_uuid": "none"}, 422, "vpc_uuid none: there is no VPC"),
        ({"volumes": ["none"]}, 422, "no volume with the id none"),
        ({"ssh_keys": [7]}, 422, "There is no SSH key"),
        ({"tags": ["a b"]}, 422, "tags:"),
        ({"user_data": "x" * 65537}, 422, "65536 bytes"),
        ({"backups": True}, 501, "with backups"),
        ({"ipv6": True}, 501, "with ipv6"),
    ],
)
def test_a_wrong_droplet_is_refused_and_nothing_is_made(
    cloud: LocalCloud, change: dict[str, Any], status: int, complaint: str
) -> None:
    answer = cloud.call("POST", "/v2/droplets", DROPLET | change)
    assert answer.status == status
    assert complaint in answer.message
    assert cloud.get("/v2/droplets?name=none")["droplets"] == []


def test_a_volume_of_another_region_is_refused(cloud: LocalCloud, spare: dict[str, Any]) -> None:
    answer = cloud.call("POST", "/v2/droplets", DROPLET | {"region": "nyc1", "volumes": [spare["id"]]})
    assert (answer.status, answer.message) == (422, "The volume spare is in sfo3, the Droplet in nyc1.")


@pytest.mark.parametrize(
    ("change", "status", "complaint"),
    [
        ({"name": "spare"}, 409, "another volume in sfo3"),
        ({"name": "Data"}, 422, "lower-case"),
        ({"size_gigabytes": 0}, 422, "1 to 16384"),
        ({"filesystem_type": "xfs"}, 501, "it has ext4"),
        ({"filesystem_type": "ext4", "filesystem_label": "x" * 17}, 422, "Allowed: 16"),
        ({"snapshot_id": "x"}, 501, "snapshot_id"),
    ],
)
def test_a_wrong_volume_is_refused(
    cloud: LocalCloud, spare: dict[str, Any], change: dict[str, Any], status: int, complaint: str
) -> None:
    answer = cloud.call("POST", "/v2/volumes", VOLUME | {"name": "other"} | change)
    assert answer.status == status
    assert complaint in answer.message
    assert cloud.get("/v2/volumes?region=sfo3&name=other")["volumes"] == []


def test_a_volume_carries_tags_and_belongs_to_projects(cloud: LocalCloud, spare: dict[str, Any]) -> None:
    assert cloud.get("/v2/tags/kept")["tag"]["resources"]["volumes"]["count"] == 1
    resource = {"resources": [{"resource_id": spare["id"], "resource_type": "volume"}]}
    cloud.post("/v2/tags", {"name": "moved"})
    cloud.post("/v2/tags/moved/resources", resource, 204)
    assert cloud.get(f"/v2/volumes/{spare['id']}")["volume"]["tags"] == ["kept", "moved"]
    cloud.delete("/v2/tags/moved")
    assert cloud.get(f"/v2/volumes/{spare['id']}")["volume"]["tags"] == ["kept"]

    urn = f"do:volume:{spare['id']}"
    assigned = cloud.post("/v2/projects/default/resources", {"resources": [urn]}, 200)["resources"]
    assert [item["urn"] for item in assigned] == [urn]


def test_a_key_is_found_by_id_and_by_fingerprint(cloud: LocalCloud) -> None:
    key = cloud.post("/v2/account/keys", {"name": "ops", "public_key": KEY})["ssh_key"]
    assert "already in use" in cloud.call("POST", "/v2/account/keys", {"name": "again", "public_key": KEY}).message
    assert cloud.get(f"/v2/account/keys/{key['fingerprint']}")["ssh_key"] == key
    changed = cloud.put(f"/v2/account/keys/{key['id']}", {"name": "operations"}, 200)["ssh_key"]
    assert changed == key | {"name": "operations"}
    cloud.delete(f"/v2/account/keys/{key['id']}")
    wrong = cloud.call("POST", "/v2/account/keys", {"name": "wrong", "public_key": "AAAA"})
    assert (wrong.status, "OpenSSH" in wrong.message) == (422, True)


def test_a_firewall_is_kept_as_the_api_writes_it(cloud: LocalCloud) -> None:
    ping = {"protocol": "icmp", "sources": {"tags": ["monitoring"], "droplet_ids": None}}
    pong = {"protocol": "icmp", "ports": "1-65535", "destinations": {"addresses": ["0.0.0.0/0"]}}
    everyone = {"protocol": "tcp", "ports": "all", "destinations": {"addresses": ["0.0.0.0/0"]}}
    asked = {"name": "wall", "inbound_rules": [RULE], "outbound_rules": [everyone], "droplet_ids": None}
    wall = cloud.post("/v2/firewalls", asked, 202)["firewall"]
    assert wall["inbound_rules"] == [RULE]
    assert wall["outbound_rules"] == [everyone | {"ports": "0"}]
    assert (wall["status"], wall["droplet_ids"]) == ("succeeded", [])

    path = f"/v2/firewalls/{wall['id']}"
    changed = cloud.put(path, {"name": "wall-2", "inbound_rules": [ping], "outbound_rules": [pong]}, 200)["firewall"]
    assert changed["inbound_rules"] == [{"protocol": "icmp", "ports": "0", "sources": {"tags": ["monitoring"]}}]
    assert changed["outbound_rules"] == [pong]
    cloud.post(f"{path}/tags", {"tags": ["database"]}, 204)
    assert cloud.get(path)["firewall"]["tags"] == ["database"]
    cloud.delete(path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"inbound_rules": []}, "at least one rule"),
        ({"inbound_rules": [RULE | {"ports": "5432,6432"}]}, "a range"),
        ({"inbound_rules": [RULE | {"sources": {}}]}, "names nobody"),
        ({"inbound_rules": [RULE | {"sources": {"addresses": ["10.0.0.300"]}}]}, "IPv4 or IPv6"),
        ({"droplet_ids": [7]}, "no Droplet with the id 7"),
        ({"name": "-"}, "letters, digits"),
    ],
)
def test_a_wrong_firewall_is_refused(cloud: LocalCloud, change: dict[str, Any], complaint: str) -> None:
    answer = cloud.call("POST", "/v2/firewalls", {"name": "wrong", "inbound_rules": [RULE]} | change)
    assert answer.status == 422
    assert complaint in answer.message


def test_sizes_images_and_regions_fit_together(cloud: LocalCloud) -> None:
    sizes = {size["slug"]: size for size in cloud.get("/v2/sizes")["sizes"]}
    assert sizes["s-1vcpu-1gb"]["price_hourly"] == 0.00893
    assert set(cloud.get("/v2/regions")["regions"][0]["sizes"]) == set(sizes)
    image = cloud.get("/v2/images/debian-12-x64")["image"]
    assert cloud.get(f"/v2/images/{image['id']}")["image"] == image
    assert cloud.call("GET", "/v2/images/windows").status == 404


def test_a_droplet_that_is_not_there_is_said_so_in_digitaloceans_words(cloud: LocalCloud) -> None:
    answer = cloud.call("GET", "/v2/droplets/123")
    assert (answer.status, answer.body["id"]) == (404, "not_found")
    assert answer.message.startswith("The resource you were accessing could not be found.")
