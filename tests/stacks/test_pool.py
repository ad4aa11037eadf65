"""A pool whose size alone changes keeps its clients."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from tests.stacks.harness import LocalStack, at_work, local_stack, program_copy
from trellis.development.bring import Parts

CLIENTS = 30


@pytest.fixture(scope="module")
def stack(parts: Parts) -> Iterator[LocalStack]:
    """Villa in launch, with a pool of five."""
    with program_copy() as program, local_stack(parts, root=program) as stack:
        resize(stack, 5)
        villa = program / "systems" / "villa.yaml"
        more = '    backup: {hour: "02:30"}\n    settings: {log_min_duration_statement: 250}\n    maintenance:'
        villa.write_text(villa.read_text().replace("    maintenance:", more))
        stack.up()
        yield stack


class Client(threading.Thread):
    """One connection to the pool with one transaction after another, until something breaks it."""

    def __init__(self, uri: str, authority: str) -> None:
        super().__init__(daemon=True)
        self.done = 0
        self.failed: list[str] = []
        self._connection = psycopg.connect(uri, sslrootcert=authority, prepare_threshold=None)
        self._ended = threading.Event()

    def run(self) -> None:
        try:
            while not self._ended.wait(0.02):
                with self._connection.transaction():
                    self._connection.execute("INSERT INTO audit_log (address, action) VALUES ('0x1', 'tick')")
                self.done += 1
        except psycopg.Error as error:
            self.failed.append(str(error))
        self._connection.close()

    def end(self) -> None:
        self._ended.set()
        self.join(60)


@contextmanager
def clients(stack: LocalStack) -> Iterator[Sequence[Client]]:
    authority = str(stack.authority())
    with at_work([Client(pooled(stack), authority) for _ in range(CLIENTS)]) as started:
        yield started


def pooled(stack: LocalStack) -> str:
    return str(stack.outputs()["pooled_uris"]["villa-db"]["villa-pool"])


def resize(stack: LocalStack, size: int) -> None:
    villa = stack.root / "systems" / "villa.yaml"
    kept = [line for line in villa.read_text().splitlines() if not line.startswith("        size:")]
    villa.write_text("\n".join(kept).replace("mode: transaction", f"mode: transaction\n        size: {size}") + "\n")


def pool(stack: LocalStack) -> dict[str, object]:
    (cluster,) = stack.api("GET", "/v2/databases")["databases"]
    return dict(stack.api("GET", f"/v2/databases/{cluster['id']}/pools/villa-pool")["pool"])


def pool_changes(stack: LocalStack, since: int) -> list[str]:
    return [method for method, path in stack.changes(since) if path.split("/")[4:5] == ["pools"]]


def test_the_configuration_is_the_file_s(stack: LocalStack) -> None:
    (cluster,) = stack.api("GET", "/v2/databases")["databases"]
    config = stack.api("GET", f"/v2/databases/{cluster['id']}/config")["config"]
    assert (config["backup_hour"], config["backup_minute"]) == (2, 30)
    with stack.connect(pooled(stack)) as connection:
        assert connection.execute("SHOW log_min_duration_statement").fetchone() == ("250ms",)
        connection.execute("SELECT pg_sleep(0.3), 'a slow one'")
    (log,) = stack.workspace.cloud_state.glob("clusters/*/postgresql.log")
    assert "SELECT pg_sleep(0.3), 'a slow one'" in log.read_text()
    # In stacks of before it goes by the name that it had when it was the backup's time alone.
    file = stack.workspace.folder / "before.json"
    state = stack.stack.pulumi("stack", "export", "--show-secrets")
    assert "cluster:Configuration::villa-db-configuration" in state
    file.write_text(
        state.replace("Configuration::villa-db-configuration", "BackupTime::villa-db-backup").replace(
            "cluster:Configuration", "cluster:BackupTime"
        )
    )
    stack.stack.pulumi("stack", "import", "--file", str(file))
    stack.must("preview", "--expect-no-changes")


def test_a_size_changes_in_place_and_drops_nobody(stack: LocalStack) -> None:
    stack.must("preview", "--expect-no-changes")
    since = len(stack.journal())
    with clients(stack) as started:
        for size in (9, 3):
            resize(stack, size)
            stack.up()
            assert pool(stack)["size"] == size
            before = sum(client.done for client in started)
            time.sleep(1)
        assert sum(client.done for client in started) > before
    assert [client.failed for client in started if client.failed] == []
    assert pool_changes(stack, since) == ["PUT", "PUT"]
    stack.must("preview", "--expect-no-changes")


def test_a_size_that_somebody_changed_is_noticed_and_set_again(stack: LocalStack) -> None:
    (cluster,) = stack.api("GET", "/v2/databases")["databases"]
    body = {"mode": "transaction", "size": 11, "db": "villa", "user": "villa_app"}
    stack.api("PUT", f"/v2/databases/{cluster['id']}/pools/villa-pool", body)
    stack.must("preview", "--expect-no-changes")
    stack.must("refresh", "--yes", "--skip-preview")
    assert "PoolSize" in stack.must("preview", "--diff")
    stack.up()
    assert pool(stack)["size"] == 3
    stack.must("preview", "--refresh", "--expect-no-changes")


def test_a_phase_keeps_the_clients_of_a_pool_and_enlarges_it(stack: LocalStack) -> None:
    """Of the fail-over at its end those know that have a transaction open."""
    villa = stack.root / "systems" / "villa.yaml"
    villa.write_text(villa.read_text().replace("        size: 3\n", ""))
    authority = str(stack.authority())
    with ExitStack() as opened:
        idle = [
            opened.enter_context(
                psycopg.connect(pooled(stack), sslrootcert=authority, autocommit=True, prepare_threshold=None)
            )
            for _ in range(CLIENTS)
        ]
        for connection in idle:
            connection.execute("SELECT 1")
        stack.configure(phase="growth")
        since = len(stack.journal())
        stack.up()
        assert pool_changes(stack, since) == ["PUT"]
        assert pool(stack)["size"] == 42
        assert [connection.execute("SELECT 7").fetchone() for connection in idle] == [(7,)] * CLIENTS


def test_another_mode_makes_it_anew_with_its_size(stack: LocalStack) -> None:
    villa = stack.root / "systems" / "villa.yaml"
    villa.write_text(villa.read_text().replace("mode: transaction", "mode: session"))
    since = len(stack.journal())
    stack.up()
    assert (pool(stack)["mode"], pool(stack)["size"]) == ("session", 42)
    assert pool_changes(stack, since)[:2] == ["DELETE", "POST"]
    stack.must("preview", "--expect-no-changes")
