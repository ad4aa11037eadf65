"""What an unattended run never does: delete data, or open a cluster to the internet on the way to a refused destroy."""

import re
from collections.abc import Iterator

import pytest

from tests.stacks.harness import LocalStack, local_stack, program_copy
from trellis.development.bring import Parts


@pytest.fixture(scope="module")
def stack(parts: Parts) -> Iterator[LocalStack]:
    with program_copy() as program, local_stack(parts, root=program, environment="production") as stack:
        stack.up()
        yield stack


def test_a_plan_that_replaces_a_cluster_is_refused_before_anything_changes(stack: LocalStack) -> None:
    before = len(stack.journal())
    stack.configure(ipRange="10.77.0.0/16")
    done = stack.try_up()
    assert done.code == 1
    assert "would delete or replace villa-db, villa-db-villa, with all data in it. Nothing was changed." in done.text
    assert "--may-delete villa-db --may-delete villa-db-villa" in done.text
    assert stack.changes(before) == []
    stack.configure(ipRange=None)


def test_a_refused_destroy_leaves_the_trusted_sources_in_force(stack: LocalStack) -> None:
    stack.configure(protect="always")
    stack.up()
    (cluster,) = stack.api("GET", "/v2/databases")["databases"]
    rules = stack.api("GET", f"/v2/databases/{cluster['id']}/firewall")
    stack.fails("destroy", "--yes", "--skip-preview")
    assert stack.api("GET", f"/v2/databases/{cluster['id']}/firewall") == rules
    stack.up()
    with stack.connect(stack.outputs()["pooled_uris"]["villa-db"]["villa-pool"]) as connection:
        connection.execute("SELECT * FROM profiles")
    stack.must("preview", "--expect-no-changes")


def test_a_trusted_source_that_is_taken_out_is_refused_again(stack: LocalStack) -> None:
    stack.configure(trustedSources=["127.0.0.1", "192.0.2.7"])
    stack.up()
    assert "192.0.2.7" in _sources(stack)
    stack.configure(trustedSources=["127.0.0.1"])
    stack.up()
    assert _sources(stack) == {"10.0.0.0/16", "127.0.0.1"}


def test_a_destroy_never_opens_the_cluster(stack: LocalStack) -> None:
    stack.configure(protect="never")
    stack.up()
    before = len(stack.journal())
    stack.stack.destroy()
    changes = stack.changes(before)
    assert any(method == "DELETE" and path.startswith("/v2/databases/") for method, path in changes)
    assert not any(path.endswith("/firewall") for _, path in changes)
    assert not stack.api("GET", "/v2/databases").get("databases")


def test_what_is_named_may_go(parts: Parts) -> None:
    told = {"on-call": ["ops@trellis.dev"]}
    with local_stack(parts, "capsule", environment="production", protect="never", contacts=told) as stack:
        stack.up()
        stack.configure(layout="per-database")
        assert "write trellis:abandon: shared into" in stack.try_up().text
        stack.configure(abandon="shared")
        plan = stack.try_up().text
        named = re.findall(r"--may-delete [a-z0-9_-]+", plan)
        assert "Nothing was changed. Where that is meant, say so:" in plan
        assert "--may-delete capsule-db" in named
        assert stack.try_up(*named[0].split()).code == 1
        done = stack.try_up(*(word for one in named for word in one.split()))
        assert done.code == 0, done.text
        stack.must("preview", "--expect-no-changes")
        clusters = [one["name"] for one in stack.api("GET", "/v2/databases")["databases"]]
        assert "capsule-db" not in clusters
        assert len(clusters) > 1


def _sources(stack: LocalStack) -> set[str]:
    (cluster,) = stack.api("GET", "/v2/databases")["databases"]
    return {rule["value"] for rule in stack.api("GET", f"/v2/databases/{cluster['id']}/firewall")["rules"]}
