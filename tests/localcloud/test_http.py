"""What all calls have in common: access, errors, pages, headers, the journal."""

import json
import socket
import stat
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.localcloud.cloud import LocalCloud


@pytest.mark.parametrize("wrong", ["", "Bearer", "Bearer local", "Bearer %s0", "Basic %s", "%s", "Bearer \xe9"])
def test_every_call_carries_the_token(cloud: LocalCloud, wrong: str) -> None:
    wrong = wrong.replace("%s", cloud.token)
    for path in ("/v2/account", "/_local/health", "/_local/journal", "/v2/nothing"):
        answer = cloud.call("GET", path, authorization=wrong)
        assert (answer.status, answer.body["id"]) == (401, "unauthorized")
    assert str(cloud.state / "access.token") in answer.message
    refused = cloud.call("GET", "/client/v4/zones", authorization=wrong)
    assert (refused.status, refused.body["success"]) == (401, False)
    assert cloud.call("GET", "/v2/account", authorization=f"bearer {cloud.token}").status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/load_balancers"),
        ("POST", "/v2/kubernetes/clusters"),
        ("DELETE", "/v2/account"),
        ("GET", "/v1/x"),
        # Neither is an id.
        ("GET", "/v2/apps/tiers"),
        ("GET", "/v2/droplets/autoscale"),
    ],
)
def test_a_call_that_is_missing_is_named(cloud: LocalCloud, method: str, path: str) -> None:
    answer = cloud.call(method, path)
    assert (answer.status, answer.body["id"]) == (501, "not_implemented")
    assert f"{method} {path}" in answer.message


def test_errors_carry_a_request_id(cloud: LocalCloud) -> None:
    first, second = (cloud.call("GET", "/v2/vpcs/none").body["request_id"] for _ in range(2))
    assert first != second


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"'])
def test_a_body_that_is_no_object_is_a_bad_request(cloud: LocalCloud, body: bytes) -> None:
    answer = cloud.call("POST", "/v2/vpcs", body)
    assert (answer.status, answer.body["id"]) == (400, "bad_request")


def test_a_missing_field_is_named(cloud: LocalCloud) -> None:
    answer = cloud.call("POST", "/v2/vpcs", {"name": "x"})
    assert (answer.status, answer.message) == (422, "region: Field required")


@pytest.mark.parametrize("headers", [b"host: evil.example", b"host: 127.0.0.1\r\norigin: https://evil.example"])
def test_requests_from_a_web_page_are_refused(cloud: LocalCloud, headers: bytes) -> None:
    with socket.create_connection(("127.0.0.1", cloud.port)) as connection:
        connection.sendall(b"GET /_local/journal HTTP/1.1\r\n" + headers + b"\r\nconnection: close\r\n\r\n")
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"entries" not in answer


def test_rate_limit_headers_count_down(cloud: LocalCloud) -> None:
    first, second = (cloud.call("GET", "/v2/account").headers for _ in range(2))
    assert first["ratelimit-limit"] == "5000"
    assert int(second["ratelimit-remaining"]) < int(first["ratelimit-remaining"])
    assert int(first["ratelimit-reset"]) > 0


def test_lists_come_in_pages_of_twenty_with_links(cloud: LocalCloud) -> None:
    made = [cloud.post("/v2/tags", {"name": f"page-{number:02}"})["tag"]["name"] for number in range(45)]
    first = cloud.get("/v2/tags")
    assert len(first["tags"]) == 20
    assert first["meta"]["total"] >= 45
    seen = [tag["name"] for tag in first["tags"]]
    page = first
    while "next" in page["links"].get("pages", {}):
        link = urlsplit(page["links"]["pages"]["next"])
        assert f"{link.scheme}://{link.netloc}" == cloud.url
        page = cloud.get(f"{link.path}?{link.query}")
        seen += [tag["name"] for tag in page["tags"]]
    assert set(made) <= set(seen)
    assert len(seen) == first["meta"]["total"]
    last = parse_qs(urlsplit(first["links"]["pages"]["last"]).query)["page"]
    assert last == [str(-(-first["meta"]["total"] // 20))]
    assert page["links"]["pages"].keys() == {"first", "prev"}
    assert cloud.get("/v2/tags?per_page=200")["links"] == {}
    assert len(cloud.get("/v2/tags?page=99")["tags"]) == 0
    for name in made:
        cloud.delete(f"/v2/tags/{name}")


@pytest.mark.parametrize("query", ["per_page=201", "per_page=0", "page=0", "page=x"])
def test_impossible_pages_are_refused(cloud: LocalCloud, query: str) -> None:
    assert cloud.call("GET", f"/v2/vpcs?{query}").status == 422


def test_the_journal_has_every_request_in_order_with_secrets_masked(cloud: LocalCloud) -> None:
    since = cloud.last_seq()
    cloud.call("GET", "/v2/account?x=1")
    secret = {"key": "TOKEN", "value": "hunter2", "type": "SECRET"}
    plain = {"key": "URL", "value": "postgresql://${db.USERNAME}:${db.PASSWORD}@h/d", "type": "GENERAL"}
    with_password = {"key": "OTHER", "value": "postgresql://app:hunter2@h/d", "type": "GENERAL"}
    cloud.call("POST", "/v2/apps", {"spec": {"name": "x", "envs": [secret, plain, with_password]}})
    cloud.call("GET", "/v2/load_balancers")
    entries = cloud.journal(since)
    assert [(entry["method"], entry["path"], entry["status"]) for entry in entries] == [
        ("GET", "/v2/account", 200),
        ("POST", "/v2/apps", 422),
        ("GET", "/v2/load_balancers", 501),
    ]
    assert [entry["seq"] for entry in entries] == [since + 1, since + 2, since + 3]
    assert entries[0]["query"] == "x=1"
    written = (cloud.state / "journal.jsonl").read_text("utf-8")
    assert "hunter2" not in written
    envs = entries[1]["body"]["spec"]["envs"]
    assert envs[1] == plain
    assert envs[0]["value"].startswith("masked:")
    assert envs[0]["value"] in envs[2]["value"], "equal secrets have equal marks"
    assert all(json.loads(line)["seq"] == number for number, line in enumerate(written.splitlines(), 1))


def test_only_the_owner_can_read_the_state(cloud: LocalCloud, cluster: dict[str, object]) -> None:
    assert stat.S_IMODE(cloud.state.stat().st_mode) & 0o066 == 0
    for name in ("state.json", "journal.jsonl", "secret.key", "serve.log", "serve.lock", "access.token"):
        assert stat.S_IMODE((cloud.state / name).stat().st_mode) == 0o600, name


def test_account_regions_and_options_are_there(cloud: LocalCloud) -> None:
    assert cloud.get("/v2/account")["account"]["status"] == "active"
    assert "nyc1" in [region["slug"] for region in cloud.get("/v2/regions?per_page=200")["regions"]]
    options = cloud.get("/v2/databases/options")["options"]["pg"]
    assert "17" in options["versions"]
    standby = next(layout for layout in options["layouts"] if layout["num_nodes"] == 2)
    assert "db-s-1vcpu-1gb" not in standby["sizes"]
