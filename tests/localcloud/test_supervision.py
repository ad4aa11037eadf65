"""Servers that end although nobody stopped them: they come back with their data, and nobody says that all is well."""

import json
import os
import re
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from localcloud.servers.processes import Process, within
from localcloud.supervision import LONGEST_WAIT, LOOP, Backoff
from tests.localcloud.cloud import LocalCloud, wait_until
from trellis.development.dev import await_servers
from trellis.development.progress import Failure


@pytest.fixture(scope="module")
def watched(make_cloud: Callable[..., LocalCloud]) -> LocalCloud:
    return make_cloud()


@pytest.fixture(scope="module")
def database(watched: LocalCloud) -> dict[str, Any]:
    cluster = watched.create_cluster("watched")
    path = f"/v2/databases/{cluster['id']}"
    pool = {"name": "pool", "mode": "transaction", "size": 5, "db": "defaultdb", "user": "doadmin"}
    watched.post(f"{path}/pools", pool)
    watched.post(f"{path}/replicas", {"name": "reader"})
    watched.online(f"{path}/replicas/reader", "replica")
    return cluster


def kill(folder: Path) -> None:
    """Ends the main process in the folder, and returns when it is gone."""
    processes = within(folder)
    main = min(processes, key=lambda process: (process.started, process.pid))
    os.kill(main.pid, signal.SIGKILL)
    wait_until(lambda: Process.of(main.pid) != main, "the killed process to be gone")


def ask(uri: str, query: str) -> Any:
    with psycopg.connect(uri, autocommit=True, connect_timeout=30) as connection:
        row = connection.execute(query).fetchone()
        return row and row[0]


def row_of(cloud: LocalCloud, name: str) -> str:
    shown = cloud.command("status").stdout
    return next(line for line in shown.splitlines() if re.search(rf"\b{name}\b", line))


@pytest.mark.parametrize("part", ["data", "pgbouncer"])
def test_a_killed_server_is_back_with_its_data(watched: LocalCloud, database: dict[str, Any], part: str) -> None:
    path = f"/v2/databases/{database['id']}"
    direct = database["connection"]["uri"]
    pooled = watched.get(f"{path}/pools/pool")["pool"]["connection"]["uri"]
    with psycopg.connect(direct, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE kept_{part} AS SELECT 42 AS answer")
    kill(watched.state / "clusters" / database["id"] / part)
    watched.online(path, "database")
    # Whoever was told that it is online finds it so, at once.
    assert ask(direct, f"SELECT answer FROM kept_{part}") == 42
    assert ask(pooled, f"SELECT answer FROM kept_{part}") == 42
    assert watched.get("/_local/health")["failures"] == {}


def test_a_killed_replica_is_back(watched: LocalCloud, database: dict[str, Any]) -> None:
    path = f"/v2/databases/{database['id']}/replicas/reader"
    replica = watched.get(path)["replica"]
    kill(watched.state / "replicas" / replica["id"] / "data")
    assert watched.get(f"/v2/databases/{database['id']}")["database"]["status"] == "online"
    watched.online(path, "replica")
    assert ask(replica["connection"]["uri"], "SELECT pg_is_in_recovery()") is True


def test_a_killed_valkey_is_back(watched: LocalCloud) -> None:
    cache = watched.create_cluster("cache", engine="valkey", version="8")
    kill(watched.state / "clusters" / cache["id"] / "data")
    watched.online(f"/v2/databases/{cache['id']}", "database")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address = (cache["connection"]["host"], cache["connection"]["port"])
    with context.wrap_socket(socket.create_connection(address, timeout=60)) as session:
        session.sendall(b"PING\r\n")
        assert session.recv(100).startswith(b"-NOAUTH")
    watched.delete(f"/v2/databases/{cache['id']}")


def test_until_it_answers_everybody_says_so(watched: LocalCloud, database: dict[str, Any]) -> None:
    """Another program holds the port, so that the server cannot come back until it lets go."""
    path = f"/v2/databases/{database['id']}"
    pool_port = watched.get(f"{path}/pools/pool")["pool"]["connection"]["port"]
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kill(watched.state / "clusters" / database["id"] / "pgbouncer")
        wait_until(lambda: _bound(taken, pool_port), "the port")
        taken.listen()
        listed = watched.get("/v2/databases")["databases"]
        assert next(item["status"] for item in listed if item["id"] == database["id"]) == "migrating"
        assert "watched" in watched.get("/_local/health")["failures"]
        assert "restarting" in row_of(watched, "watched")
        # Where it fell several times in succession, that is the reason until the next try.
        wait_until(lambda: f"port {pool_port}" in watched.call("GET", path).message, "the reason")
        assert watched.call("GET", path).status == 409
        assert f"port {pool_port}" in watched.get("/_local/health")["failures"]["watched"]
        assert f"port {pool_port}" in watched.command("status").stdout
        assert watched.call("POST", f"{path}/users", {"name": "early"}).status in (409, 412)
        assert ask(database["connection"]["uri"], "SELECT 1") == 1, "the primary was not disturbed"
        with pytest.raises(Failure, match=f"watched: .*port {pool_port}"):
            await_servers(watched.state, patience=0.1)
    wait_until(lambda: watched.call("GET", path).status == 200, "the end of the trouble")
    watched.online(path, "database")
    assert "online" in row_of(watched, "watched")
    await_servers(watched.state)


def _bound(listener: socket.socket, port: int) -> bool:
    try:
        listener.bind(("127.0.0.2", port))
    except OSError:
        # It came back before we could take its place: it goes again.
        return False
    return True


def test_what_is_stopped_on_purpose_is_left_alone(watched: LocalCloud, database: dict[str, Any]) -> None:
    path = f"/v2/databases/{database['id']}"
    log = watched.state / "serve.log"
    before = log.read_text("utf-8").count("ended")
    for size in ("db-s-1vcpu-2gb", "db-s-2vcpu-4gb"):
        watched.put(f"{path}/resize", {"size": size, "num_nodes": 1}, 202)
        watched.online(path, "database")
    watched.delete(f"{path}/replicas/reader")
    watched.stop()
    assert not within(watched.state)
    watched.start()
    assert json.loads(watched.command("status", "--json").stdout)["clusters"][0]["status"] == "online"
    watched.delete(path)
    assert not within(watched.state / "clusters")
    assert log.read_text("utf-8").count("ended") == before


def test_tries_become_rarer_and_begin_anew_after_calm(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr("localcloud.supervision.time", SimpleNamespace(monotonic=lambda: clock))
    backoff = Backoff()
    tried = []
    for _ in range(800):
        if backoff.due("x"):
            tried.append(clock)
            backoff.fell("x")
        clock += 0.5
    waits = [later - earlier for earlier, later in pairwise(tried)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]
    assert backoff.fell("x") > LOOP
    clock += 2 * LONGEST_WAIT + 1
    assert backoff.fell("x") == 0
    assert backoff.due("x")


@pytest.fixture
def fragile(make_cloud: Callable[..., LocalCloud]) -> Iterator[tuple[LocalCloud, dict[str, Any]]]:
    cloud = make_cloud()
    yield cloud, cloud.create_cluster("fragile")
    cloud.remove()


def test_a_server_that_ends_again_and_again_is_told_of(fragile: tuple[LocalCloud, dict[str, Any]]) -> None:
    cloud, cluster = fragile
    path = f"/v2/databases/{cluster['id']}"
    folder = cloud.state / "clusters" / cluster["id"] / "pgbouncer"
    for _ in range(LOOP + 1):
        kill(folder)
        wait_until(lambda: cloud.call("GET", path).status == 200, "the next try")
        cloud.online(path, "database")
    assert f"PgBouncer of cluster {cluster['id']} ended {LOOP + 1} times in succession" in cloud.command("logs").stdout
