"""Faults that tests ask for."""

import http.client
import time
from collections.abc import Iterator

import pytest

from tests.localcloud.cloud import LocalCloud
from tests.localcloud.test_clusters import ORDER


@pytest.fixture(autouse=True)
def no_fault_is_left(cloud: LocalCloud) -> Iterator[None]:
    yield
    cloud.delete("/_local/faults")
    assert cloud.get("/_local/faults") == {"faults": []}


def ask(cloud: LocalCloud, fault: str, path: str, **more: object) -> None:
    cloud.post("/_local/faults", {"fault": fault, "path": path, **more})


def test_too_many_requests_with_a_time_to_wait(cloud: LocalCloud) -> None:
    ask(cloud, "429", "^/v2/account$", times=2, seconds=3)
    for _ in range(2):
        answer = cloud.call("GET", "/v2/account")
        assert (answer.status, answer.body["id"]) == (429, "too_many_requests")
        assert answer.headers["retry-after"] == "3"
    assert cloud.call("GET", "/v2/account").status == 200


def test_a_server_error_does_no_work(cloud: LocalCloud) -> None:
    ask(cloud, "500", "^/v2/tags$", method="POST")
    assert cloud.call("GET", "/v2/tags").status == 200
    assert cloud.call("POST", "/v2/tags", {"name": "lost"}).status == 500
    assert cloud.call("GET", "/v2/tags/lost").status == 404


def test_a_lost_response_comes_after_the_work_is_done(cloud: LocalCloud) -> None:
    ask(cloud, "lost-response", "^/v2/tags$", method="POST")
    since = cloud.last_seq()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        cloud.call("POST", "/v2/tags", {"name": "half-lost"})
    assert cloud.call("GET", "/v2/tags/half-lost").status == 200
    entry = cloud.journal(since)[0]
    assert (entry["status"], entry["fault"]) == (201, "lost-response")
    cloud.delete("/v2/tags/half-lost")


def test_a_slow_call_waits(cloud: LocalCloud) -> None:
    ask(cloud, "slow", "^/v2/account$", seconds=0.5)
    begun = time.monotonic()
    assert cloud.call("GET", "/v2/account").status == 200
    assert time.monotonic() - begun >= 0.5


def test_a_stuck_cluster_stays_creating_until_the_faults_are_cleared(cloud: LocalCloud) -> None:
    ask(cloud, "stuck", "^/v2/databases$", method="POST")
    stuck = cloud.post("/v2/databases", ORDER | {"name": "stuck"})["database"]
    path = f"/v2/databases/{stuck['id']}"
    other = cloud.create_cluster("not-stuck")
    assert cloud.get(path)["database"]["status"] == "creating"
    for method, rest, body in [
        ("POST", "/users", {"name": "x"}),
        ("POST", "/dbs", {"name": "x"}),
        ("POST", "/replicas", {"name": "xyz"}),
        ("PUT", "/firewall", {"rules": []}),
        ("PUT", "/resize", {"size": "db-s-1vcpu-2gb", "num_nodes": 1}),
    ]:
        answer = cloud.call(method, path + rest, body)
        assert (answer.status, answer.body["id"]) == (412, "precondition_failed"), rest
    cloud.delete("/_local/faults")
    cloud.online(path, "database")
    cloud.delete(path)
    cloud.delete(f"/v2/databases/{other['id']}")


@pytest.mark.parametrize("wrong", [{"fault": "flood"}, {"path": "("}, {"times": 0}])
def test_a_wrong_fault_is_refused(cloud: LocalCloud, wrong: dict[str, object]) -> None:
    answer = cloud.call("POST", "/_local/faults", {"fault": "500", "path": "x"} | wrong)
    assert answer.status == 422
