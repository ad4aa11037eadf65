"""What proves that a thing of the asked name is the stack's own, for every resource type."""

from collections.abc import Mapping
from typing import Any

import pytest

from trellis.operations.api import Api
from trellis.operations.engine import Engine
from trellis.operations.ownership import KINDS, Clouds, ForeignError, find
from trellis.operations.recover import _look_up

TAGS = ["trellis", "system:villa", "stack:dev"]
Case = tuple[str, dict[str, Any], str, dict[str, Any], str, list[dict[str, Any]]]


class Cloud(Api):
    """Answers from a table of lists; the path without its query."""

    def __init__(self, lists: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(base="", token="")
        object.__setattr__(self, "lists", lists)

    def get(self, path: str) -> Any | None:
        lists: Mapping[str, Any] = self.__dict__["lists"]
        return lists.get(path.partition("?")[0])


# Type, inputs, path of the list, what is ours there, its id in the state, and look-alikes that are not ours.
CASES: list[Case] = [
    (
        "digitalocean:index/vpc:Vpc",
        {"name": "v", "region": "nyc1", "ipRange": "10.0.0.0/16"},
        "/v2/vpcs",
        {"id": "1", "name": "v", "region": "nyc1", "ip_range": "10.0.0.0/16"},
        "1",
        [{"ip_range": "10.1.0.0/16"}, {"region": "ams3"}, {"id": "used"}],
    ),
    (
        "digitalocean:index/databaseCluster:DatabaseCluster",
        {"name": "c", "engine": "pg", "region": "nyc1", "privateNetworkUuid": "n", "tags": TAGS},
        "/v2/databases",
        {"id": "1", "name": "c", "engine": "pg", "region": "nyc1", "private_network_uuid": "n", "tags": TAGS[::-1]},
        "1",
        [{"private_network_uuid": "other"}, {"tags": ["trellis", "stack:prod"]}, {"tags": None}, {"engine": "mysql"}],
    ),
    (
        "digitalocean:index/app:App",
        {"spec": {"name": "a", "vpcs": [{"__defaults": [], "id": "n"}]}},
        "/v2/apps",
        {"id": "1", "spec": {"name": "a", "vpc": {"id": "n"}}},
        "1",
        [{"spec": {"name": "a", "vpc": {"id": "other"}}}, {"spec": {"name": "a"}}],
    ),
    (
        "digitalocean:index/monitorAlert:MonitorAlert",
        {"description": "CPU", "type": "cpu", "entities": ["c"]},
        "/v2/monitoring/alerts",
        {"uuid": "1", "description": "CPU", "type": "cpu", "entities": ["c"]},
        "1",
        [{"entities": ["other"]}, {"entities": []}],
    ),
    (
        "cloudflare:index/dnsRecord:DnsRecord",
        {"zoneId": "z", "name": "a.b", "type": "CNAME", "content": "ours.app"},
        "/zones/z/dns_records",
        {"id": "1", "name": "a.b", "content": "ours.app"},
        "1",
        [{"content": "other.app"}],
    ),
    (
        "digitalocean:index/droplet:Droplet",
        {"name": "d", "region": "nyc1", "vpcUuid": "n", "tags": TAGS},
        "/v2/droplets",
        {"id": 1, "name": "d", "region": {"slug": "nyc1"}, "vpc_uuid": "n", "tags": TAGS},
        "1",
        [{"vpc_uuid": "other"}, {"tags": []}],
    ),
    (
        "digitalocean:index/volume:Volume",
        {"name": "d", "region": "nyc1", "size": 10, "tags": TAGS},
        "/v2/volumes",
        {"id": "1", "name": "d", "region": {"slug": "nyc1"}, "size_gigabytes": 10, "tags": TAGS, "droplet_ids": []},
        "1",
        [{"tags": ["other"]}, {"droplet_ids": [7]}],
    ),
    (
        "digitalocean:index/firewall:Firewall",
        {"name": "f", "tags": ["server:f"]},
        "/v2/firewalls",
        {"id": "1", "name": "f", "tags": ["server:f"]},
        "1",
        [{"tags": ["server:other"]}, {"tags": []}],
    ),
    (
        "digitalocean:index/spacesKey:SpacesKey",
        {"name": "k", "grants": [{"__defaults": [], "bucket": "b", "permission": "readwrite"}]},
        "/v2/spaces/keys",
        {"access_key": "1", "name": "k", "grants": [{"bucket": "b", "permission": "readwrite"}]},
        "1",
        [{"grants": [{"bucket": "", "permission": "fullaccess"}]}],
    ),
    (
        "digitalocean:index/spacesBucket:SpacesBucket",
        {"name": "b-1a2b3c4"},
        "/v2/projects/default/resources",
        {"urn": "do:space:b-1a2b3c4"},
        "b-1a2b3c4",
        [],
    ),
    *(
        (
            f"digitalocean:index/{token}",
            {"clusterId": "c", "name": "x"},
            f"/v2/databases/c/{root}",
            {"name": "x"},
            id,
            [],
        )
        for token, root, id in (
            ("databaseDb:DatabaseDb", "dbs", "c/database/x"),
            ("databaseUser:DatabaseUser", "users", "c/user/x"),
            ("databaseConnectionPool:DatabaseConnectionPool", "pools", "c/x"),
            ("databaseReplica:DatabaseReplica", "replicas", "c/replicas/x"),
        )
    ),
]


def test_every_type_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(KINDS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].rpartition(":")[2])
def test_ours_is_found_and_a_look_alike_is_not(case: Case) -> None:
    token, inputs, path, ours, identifier, others = case
    kind = KINDS[token]

    def look(*items: dict[str, Any]) -> str | None:
        members = {"members": [{"name": "somebody"}]}
        return find(Cloud({path: {kind.root: list(items)}, "/v2/vpcs/used/members": members}), kind, inputs)

    assert look() is None
    assert (
        look(
            {
                **ours,
                **{key: "another" for key in ("name", "description", "urn") if key in ours},
                **({"spec": {"name": "another"}} if "spec" in ours else {}),
            }
        )
        is None
    )
    assert look(ours) == identifier
    for different in others:
        foreign = {**ours, **different}
        if kind.unique:
            with pytest.raises(ForeignError, match="this stack did not make it"):
                look(foreign)
        else:
            assert look(foreign) is None
            assert look(foreign, ours) == identifier


def test_what_the_state_holds_by_another_urn_is_not_taken_in_again() -> None:
    token, inputs, path, ours, identifier, _ = next(case for case in CASES if case[0].endswith(":DatabaseCluster"))
    clouds = Clouds(Engine("dev", None))
    clouds.__dict__["digitalocean"] = Cloud({path: {KINDS[token].root: [ours]}})
    create = {"urn": "urn:new", "type": token, "inputs": inputs}
    held = {"urn": "urn:old", "type": token, "id": identifier}
    assert _look_up(clouds, [create], {"resources": []}) == ({"urn:new": identifier}, [])
    assert _look_up(clouds, [create], {"resources": [held]}) == ({}, [])
    # The old one is deleted, and the new one has its name.
    replaced = {"urn": "urn:new", "type": token, "id": identifier, "pendingReplacement": True}
    assert _look_up(clouds, [create], {"resources": [replaced]}) == ({"urn:new": identifier}, [])


def test_two_that_may_be_ours_stop_the_run() -> None:
    kind = KINDS["digitalocean:index/monitorAlert:MonitorAlert"]
    inputs = {"description": "CPU", "type": "cpu", "entities": ["c"]}
    twice = [{"uuid": number, **inputs} for number in "12"]
    with pytest.raises(ForeignError, match="2 things are called CPU cpu"):
        find(Cloud({kind.path: {kind.root: twice}}), kind, inputs)
