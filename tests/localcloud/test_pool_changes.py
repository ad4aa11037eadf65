"""Pools that change under their clients."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from localcloud.servers.processes import within
from tests.localcloud.cloud import LocalCloud, wait_until

CLIENTS = 200


@pytest.fixture(scope="module")
def busy(make_cloud: Callable[..., LocalCloud]) -> LocalCloud:
    return make_cloud()


@pytest.fixture(scope="module")
def path(busy: LocalCloud) -> str:
    return f"/v2/databases/{busy.create_cluster('busy', size='db-s-1vcpu-2gb')['id']}"


def pool(name: str, size: int, mode: str = "transaction") -> dict[str, Any]:
    return {"name": name, "mode": mode, "size": size, "db": "defaultdb", "user": "doadmin"}


def uri_of(cloud: LocalCloud, path: str, name: str) -> str:
    uri: str = cloud.get(f"{path}/pools/{name}")["pool"]["connection"]["uri"]
    return uri


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_pool_that_only_changes_its_size_keeps_its_clients(busy: LocalCloud, path: str, mode: str) -> None:
    """Some are in a transaction, some wait for a connection of the pool, some do nothing."""
    name = f"grown-{mode}"
    busy.post(f"{path}/pools", pool(name, 2, mode))
    uri, made = uri_of(busy, path, name), pool(name, 0, mode)
    with ExitStack() as stack:

        def client() -> psycopg.Connection[Any]:
            return stack.enter_context(psycopg.connect(uri, connect_timeout=30, prepare_threshold=None))

        working = [client(), client()]
        before = [session.execute("SELECT pg_backend_pid()").fetchone() for session in working]
        waited: list[Any] = []

        def wait() -> None:
            with psycopg.connect(uri, connect_timeout=60) as session:
                waited.append(session.execute("SELECT 7").fetchone())

        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.5)
        assert not waited, "the pool has no connection left"
        busy.put(f"{path}/pools/{name}", made | {"size": 4}, 204)
        waiting.join(60)
        assert waited == [(7,)], "the larger pool has one for it"
        more = client()
        assert more.execute("SELECT 1").fetchone() == (1,)
        busy.put(f"{path}/pools/{name}", made | {"size": 3}, 204)
        for session, pid in zip(working, before, strict=True):
            assert session.execute("SELECT pg_backend_pid()").fetchone() == pid, "its transaction goes on"
            session.commit()
        for session in (*working, more):
            assert session.execute("SELECT 2").fetchone() == (2,)
            session.commit()
    assert busy.get(f"{path}/pools/{name}")["pool"]["size"] == 3
    busy.delete(f"{path}/pools/{name}")


class Crowd:
    """Clients that connect afresh, ask and go, again and again, half of them each pool's."""

    def __init__(self, uris: list[str]) -> None:
        self.failures: list[tuple[str, float, float, str]] = []
        self.made = [0] * CLIENTS
        self._uris = uris
        self._ended = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> "Crowd":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join()

    def everyone_came_again(self) -> None:
        # The second one that is made from now on was begun from now on.
        wanted = [count + 2 for count in self.made]
        wait_until(lambda: all(map(int.__ge__, self.made, wanted)), "every client to connect afresh", 600)

    async def _run(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(CLIENTS)))

    async def _client(self, number: int) -> None:
        uri = self._uris[number % len(self._uris)]
        while not self._ended:
            began = time.monotonic()
            try:
                async with await psycopg.AsyncConnection.connect(uri, autocommit=True, connect_timeout=120) as session:
                    await session.execute("SELECT 1")
            except psycopg.Error as problem:
                self.failures.append((uri, began, time.monotonic(), str(problem)))
            self.made[number] += 1


@pytest.fixture
def pools(busy: LocalCloud, path: str) -> Iterator[tuple[str, str]]:
    for name in ("steady", "changing"):
        busy.post(f"{path}/pools", pool(name, 5))
    yield uri_of(busy, path, "steady"), uri_of(busy, path, "changing")
    for name in ("steady", "changing"):
        busy.delete(f"{path}/pools/{name}")


def pids(cloud: LocalCloud, path: str) -> list[int]:
    """PgBouncer's."""
    return [process.pid for process in within(cloud.state / "clusters" / path.rpartition("/")[2] / "pgbouncer")]


@pytest.mark.soak(short=2, long=300)
def test_pools_change_under_clients_that_connect_afresh(
    busy: LocalCloud, path: str, pools: tuple[str, str], rounds: int
) -> None:
    """A pool deleted, made anew and resized under 200 clients that connect afresh: PgBouncer goes on, the other pool's
    clients notice nothing, and from the change on nobody is refused."""
    steady, changing = pools
    pooler = pids(busy, path)
    gone = []
    with Crowd([steady, changing]) as crowd:
        crowd.everyone_came_again()
        for number in range(rounds):
            began = time.monotonic()
            busy.delete(f"{path}/pools/changing")
            busy.post(f"{path}/pools", pool("changing", 3 + number % 3))
            gone.append((began, time.monotonic()))
            busy.put(f"{path}/pools/changing", pool("changing", 6 + number % 3), 204)
            busy.put(f"{path}/pools/steady", pool("steady", 5 + number % 3), 204)
            crowd.everyone_came_again()
    unexpected = [
        (uri.rpartition("/")[2], text)
        for uri, began, ended, text in crowd.failures
        if uri == steady or not any(began <= back and ended >= away for away, back in gone)
    ]
    assert not unexpected
    assert pids(busy, path) == pooler
