"""`pulumi up` stopped with SIGKILL: the next run goes on to the end, and nothing is made twice."""

import contextlib
import json
from collections.abc import Iterator

import pytest

from tests.stacks.harness import STACK, LocalStack, kill_when, local_stack, program_copy, wait_for
from trellis.development.bring import Parts

# The moment: the first request of this kind has reached the cloud. Its answer may or may not be in the state.
MOMENTS = [
    pytest.param(("POST", "/v2/databases"), id="while the cluster is made"),
    pytest.param(("PUT", "/firewall"), id="just before the migrations"),
]


@pytest.fixture
def fresh(parts: Parts) -> Iterator[LocalStack]:
    with program_copy() as program, local_stack(parts, root=program) as stack:
        yield stack


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_up_is_run_again_to_the_end(fresh: LocalStack, moment: tuple[str, str]) -> None:
    _kill_at(fresh, moment)
    # What `make up` does before it deploys: drop the dead run's lock, take in what it left, go on.
    fresh.stack.prepare()
    fresh.up()
    fresh.must("preview", "--expect-no-changes")
    assert [vpc["name"] for vpc in fresh.api("GET", "/v2/vpcs")["vpcs"] if not vpc["default"]] == ["villa-vpc"]
    (cluster,) = fresh.api("GET", "/v2/databases")["databases"]
    assert cluster["name"] == "villa-db"
    with fresh.connect(fresh.outputs()["pooled_uris"]["villa-db"]["villa-pool"]) as connection:
        assert connection.execute("SELECT count(*) FROM profiles").fetchone() == (0,)


def test_a_killed_recover_is_gone_on_with(fresh: LocalStack) -> None:
    _kill_at(fresh, ("POST", "/v2/databases"))
    fresh.stack.prepare()
    assert kill_when(fresh, fresh.command("recover"), lambda: _holds_cluster(fresh))
    fresh.stack.prepare()
    fresh.up()
    fresh.must("preview", "--expect-no-changes")
    assert len(fresh.api("GET", "/v2/databases")["databases"]) == 1


def test_a_look_alike_is_left_alone(fresh: LocalStack) -> None:
    # The cloud refuses for as long as the run lives, so its create stays open and nothing is made.
    fresh.api("POST", "/_local/faults", {"fault": "500", "path": "^/v2/databases$", "method": "POST", "times": 99})
    _kill_at(fresh, ("POST", "/v2/databases"))
    fresh.api("DELETE", "/_local/faults")
    fresh.stack.prepare()
    network = next(vpc for vpc in fresh.api("GET", "/v2/vpcs")["vpcs"] if vpc["default"])
    asked = {"name": "villa-db", "engine": "pg", "version": "17", "size": "db-s-1vcpu-1gb", "region": "nyc1"}
    foreign = {**asked, "num_nodes": 1, "private_network_uuid": network["id"], "tags": ["owner:somebody"]}
    identifier = fresh.api("POST", "/v2/databases", foreign)["database"]["id"]
    state, before = fresh.state(), len(fresh.journal())
    # While its create is open, and when the create has failed on the name.
    for clear in (False, True):
        if clear:
            fresh.must("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
        done = fresh.try_up()
        assert done.code == 1
        assert f"villa-db exists as {identifier}, but this stack did not make it" in done.text
        assert "Its tags: owner:somebody." in done.text
        if not clear:
            assert fresh.changes(before) == []
            assert fresh.state() == state
    (cluster,) = fresh.api("GET", "/v2/databases")["databases"]
    assert (cluster["id"], cluster["tags"]) == (identifier, ["owner:somebody"])
    fresh.api("DELETE", f"/v2/databases/{identifier}")
    wait_for(lambda: not fresh.api("GET", "/v2/databases").get("databases"))
    fresh.up()
    fresh.must("preview", "--expect-no-changes")


def _holds_cluster(stack: LocalStack) -> bool:
    # The file is empty for a moment while it is written anew.
    with contextlib.suppress(ValueError):
        latest = json.loads(stack.state())["checkpoint"]["latest"]
        return any(made["type"].endswith(":DatabaseCluster") for made in latest["resources"])
    return False


def _kill_at(stack: LocalStack, moment: tuple[str, str]) -> None:
    command = ["pulumi", "up", "--yes", "--skip-preview", "--stack", STACK, "--non-interactive"]
    method, path = moment
    assert kill_when(
        stack,
        [*command, "--config-file", str(stack.config_file)],
        lambda: any(made == method and at.endswith(path) for made, at in stack.changes()),
    )
