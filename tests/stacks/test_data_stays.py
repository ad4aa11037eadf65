"""What an unattended run never does: delete data, or open a cluster to the internet on the way to a refused destroy."""

from collections.abc import Iterator

import pytest

from tests.stacks.harness import LocalStack, local_stack
from trellis.development.bring import Parts


@pytest.fixture(scope="module")
def stack(parts: Parts) -> Iterator[LocalStack]:
    with local_stack(parts, environment="production") as stack:
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


def test_what_is_named_may_go(stack: LocalStack) -> None:
    stack.configure(protect="never")
    stack.up()
    stack.configure(ipRange="10.77.0.0/16")
    half = stack.try_up("--may-delete", "villa-db")
    assert half.code == 1
    assert "would delete or replace villa-db-villa, with all" in half.text
    done = stack.try_up("--may-delete", "villa-db", "--may-delete", "villa-db-villa")
    assert done.code == 0, done.text
    with stack.connect(stack.outputs()["pooled_uris"]["villa-db"]["villa-pool"]) as connection:
        connection.execute("SELECT * FROM profiles")
    stack.must("preview", "--expect-no-changes")


def test_a_destroy_never_opens_the_cluster(stack: LocalStack) -> None:
    before = len(stack.journal())
    stack.stack.destroy()
    changes = stack.changes(before)
    assert any(method == "DELETE" and path.startswith("/v2/databases/") for method, path in changes)
    assert not any(path.endswith("/firewall") for _, path in changes)
    assert not stack.api("GET", "/v2/databases").get("databases")


def _sources(stack: LocalStack) -> set[str]:
    (cluster,) = stack.api("GET", "/v2/databases")["databases"]
    return {rule["value"] for rule in stack.api("GET", f"/v2/databases/{cluster['id']}/firewall")["rules"]}
