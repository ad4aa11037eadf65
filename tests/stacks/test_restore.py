"""A stack's cluster is brought back as it was before an accident."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from tests.stacks.harness import LocalStack, local_stack, program_copy
from tests.stacks.test_move import INSERT, clusters, connected
from trellis.development.bring import Parts


@pytest.fixture(scope="module")
def stack(parts: Parts) -> Iterator[LocalStack]:
    with program_copy() as program, local_stack(parts, root=program) as stack:
        stack.up()
        yield stack


def write(stack: LocalStack, name: str) -> None:
    with connected(stack) as connection:
        connection.execute(INSERT, (name.ljust(42, "0"), name, name))


def names(stack: LocalStack) -> list[str]:
    with connected(stack) as connection:
        return [name for (name,) in connection.execute("SELECT nickname FROM profiles ORDER BY 1").fetchall()]


def test_as_it_was_before_an_accident(stack: LocalStack) -> None:
    (before,) = stack.api("GET", "/v2/databases")["databases"]
    write(stack, "anna")
    stack.api("POST", f"/_local/databases/{before['id']}/backups")
    write(stack, "bert")
    time.sleep(2)
    at = datetime.now(UTC).replace(microsecond=0).isoformat()
    time.sleep(2)
    with connected(stack) as connection:
        connection.execute("DELETE FROM profiles")
    write(stack, "late")
    wrong = stack.trellis("restore", "start", "--at", "yesterday")
    assert (wrong.code, "is no time: write it like" in wrong.text) == (2, True)

    started = stack.trellis("restore", "start", "--at", at)
    assert started.code == 0, started.text
    assert "villa, public.profiles: 2, 1" in started.text.replace('"', "")
    assert clusters(stack) == {"villa-db": "17", "villa-db-2": "17"}
    # It starts open to everybody, and is closed before anything else is made in it.
    (made,) = (one for one in stack.api("GET", "/v2/databases")["databases"] if one["name"] == "villa-db-2")
    assert len(stack.api("GET", f"/v2/databases/{made['id']}/firewall")["rules"]) == 2
    stack.must("preview", "--expect-no-changes")
    assert names(stack) == ["late"]
    assert "is being restored" in stack.trellis("move", "status").text

    refused = stack.trellis("restore", "cutover")
    assert refused.code == 1
    assert "What was written to villa-db since" in refused.text
    assert names(stack) == ["late"]
    done = stack.trellis("restore", "cutover", "--yes")
    assert done.code == 0, done.text
    assert names(stack) == ["anna", "bert"]
    write(stack, "new")
    old = stack.outputs()["moving"]["villa-db"]["direct_uris"]["villa"]
    with stack.connect(old) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute(INSERT, ("1".ljust(42, "0"), "x", "x"))

    # Each side keeps what was written to it.
    for action, there in (("rollback", ["late"]), ("cutover", ["anna", "bert", "new"])):
        gone = stack.trellis("restore", action, "--yes")
        assert gone.code == 0, gone.text
        assert names(stack) == there

    ended = stack.trellis("restore", "finish", "--yes")
    assert ended.code == 0, ended.text
    assert clusters(stack) == {"villa-db-2": "17"}
    assert names(stack) == ["anna", "bert", "new"]
    stack.must("preview", "--expect-no-changes")
