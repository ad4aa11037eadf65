"""Projects and tags."""

from typing import Any

import pytest

from tests.localcloud.cloud import LocalCloud


def test_resources_move_between_projects(cloud: LocalCloud, cluster: dict[str, Any]) -> None:
    urn = f"do:dbaas:{cluster['id']}"
    made = cloud.post("/v2/projects", {"name": "villa", "purpose": "Web Application", "environment": "Production"})
    project = made["project"]
    path = f"/v2/projects/{project['id']}"
    assigned = cloud.post(f"{path}/resources", {"resources": [urn]}, 200)["resources"][0]
    assert (assigned["urn"], assigned["status"]) == (urn, "assigned")
    assert [item["urn"] for item in cloud.get(f"{path}/resources")["resources"]] == [urn]
    assert cloud.get(f"/v2/databases/{cluster['id']}")["database"]["project_id"] == project["id"]
    full = cloud.call("DELETE", path)
    assert (full.status, full.message) == (412, "cannot delete a project with resources")
    cloud.post("/v2/projects/default/resources", {"resources": [urn]}, 200)
    assert cloud.get(f"{path}/resources")["resources"] == []
    cloud.delete(path)
    assert cloud.call("GET", path).status == 404


def test_what_is_gone_is_told_so_and_moves_nowhere(cloud: LocalCloud) -> None:
    """As a program sees it that destroys a cluster first and takes it out of its project then."""
    gone = "do:dbaas:5a4981aa-9653-4bd1-bef5-d6bff52042e4"
    answer = cloud.post("/v2/projects/default/resources", {"resources": [gone]}, 200)["resources"]
    assert [(item["urn"], item["status"]) for item in answer] == [(gone, "not_found")]
    urns = [item["urn"] for item in cloud.get("/v2/projects/default/resources?per_page=200")["resources"]]
    assert gone not in urns


def test_a_vpc_is_no_project_resource(cloud: LocalCloud) -> None:
    vpc = cloud.post("/v2/vpcs", {"name": "unassigned", "region": "tor1"})["vpc"]
    refused = cloud.call("POST", "/v2/projects/default/resources", {"resources": [vpc["urn"]]})
    assert (refused.status, "do:dbaas:" in refused.message) == (422, True)
    cloud.delete(f"/v2/vpcs/{vpc['id']}")


def test_a_project_keeps_an_empty_environment(cloud: LocalCloud) -> None:
    made = cloud.post("/v2/projects", {"name": "bare", "purpose": "x"})["project"]
    path = f"/v2/projects/{made['id']}"
    assert ("environment" in made, "environment" in cloud.get(path)["project"]) == (False, False)
    assert cloud.put(path, {"name": "bare", "environment": "Staging"}, 200)["project"]["environment"] == "Staging"
    cloud.delete(path)


def test_the_default_project_can_change_hands_but_not_go(cloud: LocalCloud) -> None:
    first = cloud.get("/v2/projects/default")["project"]
    other = cloud.post("/v2/projects", {"name": "next", "purpose": "x"})["project"]
    cloud.put(f"/v2/projects/{other['id']}", {"name": "next", "is_default": True}, 200)
    assert cloud.get("/v2/projects/default")["project"]["id"] == other["id"]
    assert cloud.call("DELETE", f"/v2/projects/{other['id']}").status == 412
    assert cloud.call("PATCH", "/v2/projects/default", {"is_default": False}).status == 422
    assert cloud.call("PATCH", f"/v2/projects/{first['id']}", {"is_default": True}).status == 200
    cloud.delete(f"/v2/projects/{other['id']}")
    assert cloud.call("POST", "/v2/projects", {"name": first["name"], "purpose": "x"}).status == 422


def test_tags_of_clusters(cloud: LocalCloud, cluster: dict[str, Any]) -> None:
    assert cloud.post("/v2/tags", {"name": "env:test"})["tag"]["resources"]["count"] == 0
    resources = {"resources": [{"resource_id": cluster["id"], "resource_type": "database"}]}
    cloud.call("POST", "/v2/tags/env:test/resources", resources)
    assert cloud.get(f"/v2/databases/{cluster['id']}")["database"]["tags"] == ["env:test"]
    assert cloud.get("/v2/tags/env:test")["tag"]["resources"]["databases"]["count"] == 1
    cloud.call("DELETE", "/v2/tags/env:test/resources", resources)
    assert cloud.get(f"/v2/databases/{cluster['id']}")["database"]["tags"] == []
    cloud.delete("/v2/tags/env:test")
    assert cloud.call("GET", "/v2/tags/env:test").status == 404


@pytest.mark.parametrize("name", ["", "with space", "x" * 256])
def test_a_wrong_tag_is_refused(cloud: LocalCloud, name: str) -> None:
    assert cloud.call("POST", "/v2/tags", {"name": name}).status == 422
