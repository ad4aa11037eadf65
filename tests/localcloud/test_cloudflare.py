"""Cloudflare's zones and DNS records."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.localcloud.cloud import LocalCloud

ZONES = "/client/v4/zones"


@pytest.fixture
def records(cloud: LocalCloud) -> Iterator[str]:
    zone = cloud.get(f"{ZONES}?name=villa.test")["result"][0]
    path = f"{ZONES}/{zone['id']}/dns_records"
    yield path
    for record in cloud.get(path)["result"]:
        cloud.delete(f"{path}/{record['id']}", 200)


def create(cloud: LocalCloud, path: str, **fields: Any) -> dict[str, Any]:
    body = {"type": "CNAME", "name": "api.villa.test", "content": "api-1.ondigitalocean.app", "ttl": 300} | fields
    record: dict[str, Any] = cloud.post(path, body, 200)["result"]
    return record


def test_zones_are_those_that_were_given(cloud: LocalCloud) -> None:
    listed = cloud.get(ZONES)
    assert (listed["success"], listed["errors"]) == (True, [])
    assert [zone["name"] for zone in listed["result"]] == ["villa.test", "other.test"]
    assert listed["result_info"]["total_count"] == 2
    only = cloud.get(f"{ZONES}?name=villa.test")["result"]
    assert cloud.get(f"{ZONES}/{only[0]['id']}")["result"] == only[0]
    assert cloud.get(f"{ZONES}?name=unknown.test")["result"] == []
    missing = cloud.call("GET", f"{ZONES}/{'0' * 32}")
    assert (missing.status, missing.body["success"]) == (404, False)
    assert cloud.get("/client/v4/user/tokens/verify")["result"]["status"] == "active"


def test_a_zone_can_be_made_and_deleted(cloud: LocalCloud) -> None:
    zone = cloud.post(ZONES, {"name": "new.test", "account": {"id": "x"}}, 200)["result"]
    assert cloud.call("POST", ZONES, {"name": "new.test"}).body["errors"][0]["code"] == 1061
    create(cloud, f"{ZONES}/{zone['id']}/dns_records", name="new.test")
    cloud.delete(f"{ZONES}/{zone['id']}", 200)
    assert cloud.get(f"{ZONES}?name=new.test")["result"] == []


def test_a_record_lives_and_changes(cloud: LocalCloud, records: str) -> None:
    record = create(cloud, records, proxied=True)
    assert (record["ttl"], record["proxied"], record["proxiable"]) == (1, True, True)
    path = f"{records}/{record['id']}"
    assert cloud.get(path)["result"] == record
    body = {"type": "CNAME", "name": "api", "content": "api-2.ondigitalocean.app", "ttl": 120, "proxied": False}
    replaced = cloud.put(path, body, 200)["result"]
    assert (replaced["name"], replaced["content"], replaced["ttl"]) == ("api.villa.test", body["content"], 120)
    patched = cloud.call("PATCH", path, {"comment": "hello"}).body["result"]
    assert (patched["comment"], patched["content"]) == ("hello", body["content"])
    assert [item["id"] for item in cloud.get(f"{records}?name=api.villa.test&type=CNAME")["result"]] == [record["id"]]
    cloud.delete(path, 200)
    gone = cloud.call("GET", path)
    assert (gone.status, gone.body["errors"][0]["code"]) == (404, 81044)


def test_names_are_completed_with_the_zone(cloud: LocalCloud, records: str) -> None:
    assert create(cloud, records, name="@")["name"] == "villa.test"
    assert create(cloud, records, name="WWW")["name"] == "www.villa.test"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": "A", "content": "not-an-address"}, 9005),
        ({"type": "A", "content": "::1"}, 9005),
        ({"type": "AAAA", "content": "127.0.0.1"}, 9006),
        ({"content": "10.0.0.1"}, 9007),
        ({"content": "https://x.test"}, 9007),
        ({"content": "api.villa.test"}, 9039),
        ({"ttl": 5}, 9021),
        ({"ttl": 100_000}, 9021),
        ({"type": "TXT", "content": "x", "proxied": True}, 9004),
        ({"type": "MAGIC"}, 9001),
        ({"name": "bad name"}, 9000),
        ({"type": "MX", "content": "mail.villa.test"}, 9101),
    ],
)
def test_a_wrong_record_is_refused(cloud: LocalCloud, records: str, change: dict[str, Any], code: int) -> None:
    body = {"type": "CNAME", "name": "api.villa.test", "content": "x.test", "ttl": 300} | change
    answer = cloud.call("POST", records, body)
    assert (answer.status, answer.body["errors"][0]["code"], answer.body["success"]) == (400, code, False)
    assert cloud.get(records)["result"] == []


def test_a_cname_stands_alone(cloud: LocalCloud, records: str) -> None:
    create(cloud, records)
    create(cloud, records, type="TXT", content="v=spf1 -all")
    body = {"type": "CNAME", "name": "api.villa.test", "content": "elsewhere.test", "ttl": 1}
    assert cloud.call("POST", records, body).body["errors"][0]["code"] == 81053
    body |= {"type": "A", "content": "192.0.2.1"}
    assert cloud.call("POST", records, body).body["errors"][0]["code"] == 81054
    create(cloud, records, name="a", type="A", content="192.0.2.1")
    create(cloud, records, name="a", type="A", content="192.0.2.2")
    twice = cloud.call("POST", records, {"type": "A", "name": "a", "content": "192.0.2.2", "ttl": 1})
    assert twice.body["errors"][0]["code"] == 81058


def test_a_missing_call_is_not_retried(cloud: LocalCloud) -> None:
    answer = cloud.call("GET", "/client/v4/accounts")
    assert (answer.status, answer.headers["x-should-retry"]) == (501, "false")
    assert "GET /client/v4/accounts" in answer.body["errors"][0]["message"]
