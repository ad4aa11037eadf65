"""DNS records and the look-up of zones, as the official cloudflare plugin's source has them."""

import os
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from tests.providers.plugin import Plugin, Resource
from tests.providers.stub_api import Fault, StubApi

RECORD = "cloudflare:index/dnsRecord:DnsRecord"
GET_ZONE = "cloudflare:index/getZone:getZone"
ZONE = "a" * 32
SITE = {"zoneId": ZONE, "name": "api", "type": "CNAME", "content": "villa-api.example", "ttl": 1, "proxied": True}


@pytest.fixture(scope="module")
def served() -> Iterator[StubApi]:
    with StubApi() as stub:
        yield stub


@pytest.fixture
def api(served: StubApi) -> StubApi:
    served.reset()
    return served


@pytest.fixture(scope="module")
def started(served: StubApi) -> Iterator[Plugin]:
    config = {"apiToken": "do_not_show_me", "baseUrl": f"{served.url}/client/v4"}
    with Plugin([sys.executable, "-m", "localcloud.providers.cloudflare"], dict(os.environ), config) as plugin:
        yield plugin


@pytest.fixture
def plugin(started: Plugin, api: StubApi) -> Plugin:
    """The plugin, with a new world behind it."""
    assert api.journal == []
    return started


def made(plugin: Plugin, inputs: dict[str, Any]) -> Resource:
    """A record of these inputs."""
    urn = plugin.urn(RECORD, "it")
    checked, failures = plugin.check(urn, inputs)
    assert failures == []
    return plugin.create(urn, checked)


def changed(plugin: Plugin, record: Resource, inputs: dict[str, Any]) -> tuple[list[str], list[str]]:
    """What new inputs change, and what of it needs a new record."""
    checked, _ = plugin.check(record.urn, inputs, record.inputs)
    answer = plugin.diff(record, checked)
    return list(answer.diffs), list(answer.replaces)


def test_create_sends_the_record(plugin: Plugin, api: StubApi) -> None:
    record = made(plugin, SITE)
    (sent,) = api.journal
    assert (sent.method, sent.path) == ("POST", f"/client/v4/zones/{ZONE}/dns_records")
    assert sent.body == {
        "name": "api",
        "type": "CNAME",
        "content": "villa-api.example",
        "ttl": 1,
        "proxied": True,
        "settings": {"flatten_cname": False, "ipv4_only": False, "ipv6_only": False},
    }
    assert record.outputs["name"] == "api"
    assert record.outputs["proxiable"] is True
    assert record.outputs["createdOn"] == "2026-01-02T03:04:05Z"
    assert changed(plugin, record, SITE) == ([], [])


def test_full_name_from_the_api_is_no_change(plugin: Plugin, api: StubApi) -> None:
    record = made(plugin, SITE)
    api.store[f"records/{record.id}"]["name"] = "api.villa.cash"
    refreshed = plugin.read(record)
    assert refreshed.outputs["name"] == "api.villa.cash"
    assert changed(plugin, refreshed, SITE) == ([], [])
    assert changed(plugin, refreshed, SITE | {"name": "www"}) == (["name"], [])


def test_apex(plugin: Plugin, api: StubApi) -> None:
    record = made(plugin, SITE | {"name": "@"})
    api.store[f"records/{record.id}"]["name"] = "villa.cash"
    assert changed(plugin, plugin.read(record), SITE | {"name": "@"}) == ([], [])


def test_type_and_zone_replace(plugin: Plugin) -> None:
    record = made(plugin, SITE)
    assert changed(plugin, record, SITE | {"zoneId": "b" * 32}) == (["zoneId"], ["zoneId"])
    assert changed(plugin, record, SITE | {"type": "A", "content": "203.0.113.7"}) == (["content", "type"], ["type"])


def test_update_puts_the_whole_record(plugin: Plugin, api: StubApi) -> None:
    record = made(plugin, SITE | {"proxied": False, "ttl": 300})
    checked, _ = plugin.check(record.urn, SITE | {"proxied": False, "ttl": 600, "comment": "web"}, record.inputs)
    updated = plugin.update(record, checked)
    put = next(request for request in api.journal if request.method == "PUT")
    assert put.path == f"/client/v4/zones/{ZONE}/dns_records/{record.id}"
    assert put.body["ttl"] == 600
    assert put.body["content"] == "villa-api.example"
    assert put.body["comment"] == "web"
    assert updated.outputs["ttl"] == 600
    assert updated.outputs["comment"] == "web"


def test_proxied_needs_the_automatic_ttl(plugin: Plugin) -> None:
    _, failures = plugin.check(plugin.urn(RECORD, "it"), SITE | {"ttl": 300})
    assert [name for name, _ in failures] == ["ttl"]


def test_structured_records_are_the_official_plugins(plugin: Plugin) -> None:
    issue = {"zoneId": ZONE, "name": "villa.cash", "type": "CAA", "ttl": 1, "data": {"tag": "issue"}}
    _, failures = plugin.check(plugin.urn(RECORD, "it"), issue)
    assert sorted(name for name, _ in failures) == ["data", "type"]


def test_delete_and_gone(plugin: Plugin, api: StubApi) -> None:
    record = made(plugin, SITE)
    plugin.delete(record)
    assert api.store == {}
    assert plugin.read(record).id == ""
    plugin.delete(record)


def test_import(plugin: Plugin) -> None:
    record = made(plugin, SITE)
    found = plugin.read(Resource(record.urn, f"{ZONE}/{record.id}", {}, {}))
    assert found.id == record.id
    assert found.inputs["zoneId"] == ZONE
    assert found.inputs["content"] == "villa-api.example"


def test_zone_by_name_makes_two_calls(plugin: Plugin, api: StubApi) -> None:
    zone = plugin.invoke(GET_ZONE, {"filter": {"name": "villa.cash", "match": "all"}})
    assert zone["zoneId"] == zone["id"] == ZONE
    assert zone["status"] == "active"
    assert [request.path.partition("?")[0] for request in api.journal] == [
        "/client/v4/zones",
        f"/client/v4/zones/{ZONE}",
    ]
    assert "name=villa.cash" in api.journal[0].path


def test_zone_by_id_makes_one_call(plugin: Plugin, api: StubApi) -> None:
    assert plugin.invoke(GET_ZONE, {"zoneId": ZONE})["name"] == "villa.cash"
    assert [request.path for request in api.journal] == [f"/client/v4/zones/{ZONE}"]


def test_zone_that_is_not_there(plugin: Plugin) -> None:
    with pytest.raises(grpc.RpcError) as error:
        plugin.invoke(GET_ZONE, {"filter": {"name": "other.example"}})
    assert "0 zones match" in str(error.value.details())


def test_errors_have_cloudflares_words(plugin: Plugin, api: StubApi) -> None:
    body = {"success": False, "errors": [{"code": 81057, "message": "Record already exists."}]}
    api.faults.append(Fault("POST", "/client/v4/zones", 400, body=body))
    with pytest.raises(grpc.RpcError) as error:
        made(plugin, SITE)
    told = str(error.value.details())
    assert "HTTP 400: Record already exists. (81057)" in told
    assert "do_not_show_me" not in told
