"""A stack's cluster moves to another version while it is written to, and back, and for good."""

import re
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import yaml

from tests.stacks.harness import LocalStack, kill_when, local_stack, program_copy
from trellis.development.bring import Parts
from trellis.operations.move import fences

INSERT = "INSERT INTO profiles (address, nickname, nickname_normalized) VALUES (%s, %s, %s)"


@pytest.fixture(scope="module")
def stack(parts: Parts) -> Iterator[LocalStack]:
    with program_copy() as program, local_stack(parts, root=program) as stack:
        # Nobody says whether DigitalOcean's administrator may.
        stack.api("POST", "/_local/account", {"subscriptions": True})
        stack.up()
        yield stack


class Writer(threading.Thread):
    """An application that connects anew, where its environment leads now, when it is refused."""

    def __init__(self, stack: LocalStack) -> None:
        super().__init__(daemon=True)
        self.committed: list[str] = []
        self.failures: list[str] = []
        self._stack = stack
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                with psycopg.connect(
                    self._url(), sslmode="require", autocommit=True, prepare_threshold=None
                ) as connection:
                    while not self._ended.is_set():
                        address = f"{len(self.committed):042}"
                        connection.execute(INSERT, (address, address[-30:], address[-30:]))
                        self.committed.append(address)
                        self._ended.wait(0.02)
            except psycopg.Error as error:
                self.failures.append(type(error).__name__)
                self._ended.wait(0.2)

    def end(self) -> None:
        self._ended.set()
        self.join(60)

    def _url(self) -> str:
        """What App Platform would give the app."""
        (app,) = (one for one in self._stack.api("GET", "/v2/apps")["apps"] if one["spec"]["name"] == "villa-api")
        attached = app["spec"]["databases"][0]["cluster_name"]
        (cluster,) = (one for one in self._stack.api("GET", "/v2/databases")["databases"] if one["name"] == attached)
        path = f"/v2/databases/{cluster['id']}/pools/villa-pool"
        return str(self._stack.api("GET", path)["pool"]["connection"]["uri"])


def test_a_new_version_is_a_move_and_nothing_else(stack: LocalStack) -> None:
    villa = stack.root / "systems" / "villa.yaml"
    villa.write_text(villa.read_text().replace('version: "17"', 'version: "18"'))
    before = len(stack.journal())
    for told in (stack.fails("preview"), stack.try_up().text):
        assert "villa-db would go from version 17 to 18. That is a move" in re.sub(r"\s+", " ", told)
    assert stack.changes(before) == []
    plan = stack.trellis("move", "plan")
    assert plan.code == 0, plan.text
    assert "villa-db: PostgreSQL 17 → 18" in plan.text
    assert stack.changes(before) == []


def test_there_and_back_and_for_good(stack: LocalStack) -> None:
    writer = Writer(stack)
    writer.start()
    try:
        # Killed while the second cluster is made, and run again.
        since = len(stack.journal())
        start = (*stack.command("move"), "start")
        assert kill_when(stack, start, lambda: ("POST", "/v2/databases") in stack.changes(since))
        stack.stack.prepare()
        must(stack, "start")
        assert clusters(stack) == {"villa-db": "17", "villa-db-2": "18"}
        stack.must("preview", "--expect-no-changes")
        assert "writes go to villa-db/villa" in must(stack, "status")
        assert "hold the same" in must(stack, "verify")
        assert "hold the same" in must(stack, "cutover")
        assert "writes go to villa-db-2/villa" in must(stack, "status")
        assert version(stack) == 18
        must(stack, "rollback")
        assert version(stack) == 17
        must(stack, "cutover")
    finally:
        writer.end()
    assert len(writer.committed) > 100
    with connected(stack) as connection:
        found = {address for (address,) in connection.execute("SELECT address FROM profiles").fetchall()}
    assert set(writer.committed) <= found
    # A migration has to wait.
    new = stack.root / "migrations" / "villa" / "villa" / "V1.0.7__More.sql"
    new.write_text("CREATE TABLE more (id int PRIMARY KEY);")
    assert "is being moved to another cluster" in re.sub(r"\s+", " ", stack.try_up().text)
    refused = stack.trellis("move", "finish")
    assert refused.code == 1
    assert "villa-db would be deleted. Nothing was changed." in refused.text
    # As far as a run got that was stopped.
    with stack.connect(stack.outputs()["direct_uris"]["villa-db"]["villa"]) as connection:
        fences.take_down(connection)
    folder = stack.workspace.folder / "kept"
    must(stack, "finish", "--yes", "--dump-folder", str(folder))
    (dump,) = folder.iterdir()
    assert (dump.name, dump.stat().st_mode & 0o777) == ("villa-db.villa.dump", 0o600)
    assert clusters(stack) == {"villa-db-2": "18"}
    stack.must("preview", "--expect-no-changes")
    with connected(stack) as connection:
        assert connection.execute("SELECT count(*) FROM more").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM profiles").fetchone() == (len(found),)
        assert connection.execute("SELECT to_regnamespace('trellis_move')").fetchone() == (None,)
    config = yaml.safe_load(stack.config_file.read_text())["config"]["trellis:moves"]
    assert config == {"main": {"wanted": 2, "serving": 2}}


def must(stack: LocalStack, action: str, *options: str) -> str:
    done = stack.trellis("move", action, *options)
    assert done.code == 0, done.text
    return done.text


def clusters(stack: LocalStack) -> dict[str, str]:
    return {one["name"]: one["version"] for one in stack.api("GET", "/v2/databases")["databases"]}


def connected(stack: LocalStack) -> Any:
    return stack.connect(stack.outputs()["pooled_uris"]["villa-db"]["villa-pool"])


def version(stack: LocalStack) -> int:
    with connected(stack) as connection:
        return int(connection.info.server_version // 10000)


def test_a_cluster_made_after_the_change_grows_by_a_move(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 2026-11-30 on a new Standard cluster has no read-only nodes, and Villa asks for one in scale."""
    monkeypatch.setenv("TRELLIS_TODAY", "2026-12-01")
    with program_copy() as program, local_stack(parts, root=program) as stack:
        stack.api("POST", "/_local/account", {"today": "2026-12-01", "subscriptions": True})
        stack.up()
        stack.configure(phase="growth")
        stack.up()
        with connected(stack) as connection:
            connection.execute(INSERT, ("0" * 42, "first", "first"))
        stack.configure(phase="scale")
        before = len(stack.journal())
        told = re.sub(r"\s+", " ", stack.fails("preview"))
        assert "villa-db is asked to have read-only nodes. A Standard cluster made since 2026-11-30" in told
        stack.configure(edition="advanced")
        assert "villa-db would go from edition standard to advanced" in re.sub(r"\s+", " ", stack.try_up().text)
        assert stack.changes(before) == []
        for step in (("start",), ("cutover",), ("finish", "--yes")):
            must(stack, *step)
        (cluster,) = stack.api("GET", "/v2/databases")["databases"]
        assert (cluster["name"], cluster["engine"], cluster["size"]) == ("villa-db-2", "advanced_pg", "db-s-2vcpu-4gb")
        assert len(stack.api("GET", f"/v2/databases/{cluster['id']}/replicas")["replicas"]) == 1
        stack.must("preview", "--expect-no-changes")
        with connected(stack) as connection:
            assert connection.execute("SELECT nickname FROM profiles").fetchall() == [("first",)]
