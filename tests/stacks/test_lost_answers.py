"""The cloud did the work and its answer was lost: the next plain `trellis up` finds the thing and goes on."""

import json
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.stacks.harness import LocalStack, kill_when, local_stack
from trellis.development.bring import Parts

# Every request of the stack that makes something, and how often it is sent.
LOST = {
    r"^/v2/databases$": 1,
    r"/dbs$": 1,
    r"/users$": 1,
    r"/pools$": 1,
    r"^/v2/monitoring/alerts$": 4,
    r"^/v2/apps$": 2,
    r"/dns_records$": 2,
}


@pytest.fixture(scope="module")
def stack(parts: Parts) -> Iterator[LocalStack]:
    with local_stack(parts) as stack:
        yield stack


def test_each_resource_is_found_and_none_is_made_twice(stack: LocalStack) -> None:
    _lose(stack, r"^/v2/vpcs$", 1)
    # A run without Trellis around it writes down that the network failed, and no more.
    stack.fails("up", "--yes", "--skip-preview")
    for path, times in LOST.items():
        _lose(stack, path, times)
    stack.up()
    assert stack.api("GET", "/_local/faults") == {"faults": []}
    stack.must("preview", "--expect-no-changes")
    (cluster,) = stack.api("GET", "/v2/databases")["databases"]
    assert len(stack.api("GET", "/v2/vpcs")["vpcs"]) == 2
    assert len(stack.api("GET", "/v2/monitoring/alerts")["policies"]) == 4
    assert len(stack.api("GET", "/v2/apps")["apps"]) == 2
    assert cluster["maintenance_window"]["day"] == "sunday"
    with stack.connect(stack.outputs()["pooled_uris"]["villa-db"]["villa-pool"]) as connection:
        assert connection.execute("SELECT count(*) FROM profiles").fetchone() == (0,)
    state = json.loads(stack.state())["checkpoint"]["latest"]
    assert not state.get("pending_operations")
    assert max(Counter(resource["urn"] for resource in state["resources"]).values()) == 1


@pytest.mark.soak(short=1, long=2 * (len(LOST) + 1))
def test_a_cloud_that_refuses_for_a_whole_run(stack: LocalStack, rounds: int) -> None:
    """The cloud answers 500, or 429, to every create of one resource type for as long as a run takes: the run fails
    without a traceback and the next one finishes. Each type of Villa, with both."""
    refused = [(path, fault) for path in ("^/v2/vpcs$", *LOST) for fault in ("500", "429")]
    for path, fault in refused[len(refused) - rounds :]:
        stack.must("destroy", "--yes", "--skip-preview")
        stack.api("POST", "/_local/faults", {"fault": fault, "path": path, "method": "POST", "times": 1000})
        done = stack.try_up()
        assert done.code == 1, (path, fault, done.text)
        assert "Traceback" not in done.text
        stack.api("DELETE", "/_local/faults")
        stack.up()
        stack.must("preview", "--expect-no-changes")


def test_a_pool_that_is_made_anew_is_found_and_its_size_is_set_again(stack: LocalStack) -> None:
    (cluster,) = stack.api("GET", "/v2/databases")["databases"]
    stack.api("DELETE", f"/v2/databases/{cluster['id']}/pools/villa-pool")
    stack.must("refresh", "--yes", "--skip-preview")
    _lose(stack, "/pools$", 1)
    stack.up()
    stack.configure(phase="growth")
    _lose(stack, "/pools/villa-pool$", 1, "PUT")
    stack.up()
    (pool,) = stack.api("GET", f"/v2/databases/{cluster['id']}/pools")["pools"]
    assert pool["size"] == 42
    assert stack.api("GET", "/_local/faults") == {"faults": []}
    stack.must("preview", "--expect-no-changes")


def test_a_replica_is_found(stack: LocalStack) -> None:
    stack.configure(phase="scale")
    _kill_while_stuck(stack, "/replicas$")
    stack.up()
    stack.must("preview", "--expect-no-changes")
    (cluster,) = stack.api("GET", "/v2/databases")["databases"]
    replicas = f"/v2/databases/{cluster['id']}/replicas"
    (replica,) = stack.api("GET", replicas)["replicas"]
    stack.api("DELETE", f"{replicas}/{replica['name']}")
    stack.must("refresh", "--yes", "--skip-preview")
    _lose(stack, "/replicas$", 1)
    stack.up()
    assert stack.api("GET", "/_local/faults") == {"faults": []}
    stack.must("preview", "--expect-no-changes")
    assert len(stack.api("GET", replicas)["replicas"]) == 1


def test_a_cache_is_found_and_what_is_only_set_is_set_again(parts: Parts) -> None:
    with local_stack(parts, "audifi", caches=["main"]) as stack:
        _lose(stack, "^/v2/databases$", 2)
        _lose(stack, "/firewall$", 1, "PUT")
        _lose(stack, "/config$", 1, "PATCH")
        # What needs no look-up fails this run.
        assert stack.try_up().code == 1
        stack.up()
        assert stack.api("GET", "/_local/faults") == {"faults": []}
        before = len(stack.journal())
        stack.up()
        assert stack.changes(before) == []
        engines = [cluster["engine"] for cluster in stack.api("GET", "/v2/databases")["databases"]]
        assert sorted(engines) == ["pg", "valkey"]


@pytest.mark.droplets
def test_a_self_hosted_server_is_found_or_made_anew(parts: Parts) -> None:
    with local_stack(parts, "freshtrack", mode="self-hosted") as stack:
        for path, times in {
            "^/v2/droplets$": 2,
            "^/v2/volumes$": 1,
            "^/v2/firewalls$": 1,
            "^/v2/spaces/keys$": 1,
        }.items():
            _lose(stack, path, times)
        _lose(stack, "^/freshtrack-db-dumps-[^/]+$", 1, "PUT")
        stack.up()
        assert stack.api("GET", "/_local/faults") == {"faults": []}
        stack.must("preview", "--expect-no-changes")
        droplets = {droplet["name"]: droplet["id"] for droplet in stack.api("GET", "/v2/droplets")["droplets"]}
        assert set(droplets) == {"freshtrack-app", "freshtrack-db"}
        assert len(stack.api("GET", "/v2/volumes")["volumes"]) == 1
        assert len(stack.api("GET", "/v2/firewalls")["firewalls"]) == 1
        # One is the local cloud's own.
        assert len(stack.api("GET", "/v2/spaces/keys")["keys"]) == 2
        listed = stack.api("GET", "/v2/projects/default/resources")["resources"]
        assert sum(one["urn"].startswith("do:space:") for one in listed) == 1
        uri = stack.outputs()["direct_uris"]["freshtrack-db"]["freshtrack"]
        with stack.connect(uri) as connection:
            connection.execute("SELECT count(*) FROM flyway_schema_history")
        stack.api("DELETE", f"/v2/droplets/{droplets['freshtrack-app']}")
        stack.must("refresh", "--yes", "--skip-preview")
        _kill_while_stuck(stack, "^/v2/droplets$")
        stack.up()
        stack.must("preview", "--expect-no-changes")
        assert len(stack.api("GET", "/v2/droplets")["droplets"]) == 2


def _kill_while_stuck(stack: LocalStack, path: str) -> None:
    """Kills an `up` that waits for what never gets ready, and lets that go on."""
    stack.api("POST", "/_local/faults", {"fault": "stuck", "path": path, "method": "POST"})
    since = len(stack.journal())
    made = re.compile(path)
    asked = lambda: any(made.search(asked) for method, asked in stack.changes(since) if method == "POST")  # noqa: E731
    assert kill_when(stack, stack.command("up"), asked, 1)
    # As `make up` does: the killed engine's lock is nobody's.
    stack.stack.prepare()
    stack.api("DELETE", "/_local/faults")


def _lose(stack: LocalStack, path: str, times: int, method: str = "POST") -> None:
    stack.api("POST", "/_local/faults", {"fault": "lost-response", "path": path, "method": method, "times": times})
