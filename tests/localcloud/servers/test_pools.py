"""Pools: real PgBouncer, real server connections."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from localcloud.servers import Cluster, InvalidRequest, PoolSpec
from tests.localcloud.servers.clients import Place, eventually, value


def _pool(name: str = "api", **changes: object) -> PoolSpec:
    values: dict[str, object] = {"database": "shop", "user": "app", "mode": "transaction", "size": 17}
    return PoolSpec(name=name, **{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def shop(shared: Cluster) -> Cluster:
    shared.create_database("shop")
    for user in ("app", "clerk"):
        shared.create_user(user, "pw")
    return shared


@contextmanager
def most_connections(place: Place, cluster: Cluster, *users: str) -> Iterator[list[int]]:
    """Watches how many server connections the users have; the list holds every count seen. Those of before go first."""
    seen: list[int] = []
    stop = threading.Event()
    names = ", ".join(f"'{user}'" for user in users)
    count = f"SELECT count(*) FROM pg_stat_activity WHERE usename IN ({names})"
    with place.connect(cluster) as session:
        eventually(lambda: value(session, count) == 0)

    def watch() -> None:
        with place.connect(cluster) as session:
            while not stop.is_set():
                seen.append(value(session, count))
                time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    yield seen
    stop.set()
    thread.join()


def test_sixty_clients_share_seventeen_connections(shop: Cluster, shared_place: Place) -> None:
    shop.set_pools([_pool()])
    everyone = threading.Barrier(60)

    def client(number: int) -> int:
        with shared_place.connect_pool(shop, "api", user="app", password="pw") as session:
            everyone.wait(timeout=300)
            with session.transaction():
                session.execute("SELECT pg_sleep(0.05)")
                return int(value(session, f"SELECT {number}"))

    with most_connections(shared_place, shop, "app") as counts, ThreadPoolExecutor(60) as threads:
        assert list(threads.map(client, range(60))) == list(range(60))
    assert 1 < max(counts) <= 17


def test_a_pool_without_a_user_serves_each_as_itself_within_one_size(shop: Cluster, shared_place: Place) -> None:
    shop.set_pools([_pool("desk", user=None, size=3)])

    def client(number: int) -> tuple[str, str]:
        user = ("app", "clerk")[number % 2]
        with shared_place.connect_pool(shop, "desk", user=user, password="pw") as session, session.transaction():
            session.execute("SELECT pg_sleep(0.02)")
            return user, str(value(session, "SELECT current_user"))

    with most_connections(shared_place, shop, "app", "clerk") as counts, ThreadPoolExecutor(20) as threads:
        assert all(user == served for user, served in threads.map(client, range(40)))
    assert 1 < max(counts) <= 3


def test_a_pool_with_a_user_refuses_others(shop: Cluster, shared_place: Place) -> None:
    shop.set_pools([_pool()])
    with pytest.raises(psycopg.OperationalError, match="login rejected"):
        shared_place.connect_pool(shop, "api", user="clerk", password="pw")
    with pytest.raises(psycopg.OperationalError, match="login rejected"):
        shared_place.connect_pool(shop, "api")


def test_only_pools_are_reachable(shop: Cluster, shared_place: Place) -> None:
    shop.set_pools([_pool()])
    with pytest.raises(psycopg.OperationalError, match=r"no such database|is disabled"):
        shared_place.connect_pool(shop, "shop", user="app", password="pw")


def test_clients_of_a_removed_pool_are_dropped_and_no_others(shop: Cluster, shared_place: Place) -> None:
    shop.set_pools([_pool("old", size=2), _pool("kept", size=2)])
    with (
        shared_place.connect_pool(shop, "kept", user="app", password="pw") as kept,
        shared_place.connect_pool(shop, "old", user="app", password="pw") as old,
    ):
        old.execute("SELECT 1")
        kept.execute("SELECT 1")
        shop.set_pools([_pool("kept", size=5), _pool("new", size=1)])
        assert value(kept, "SELECT 42") == 42
        with pytest.raises(psycopg.OperationalError):
            old.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match=r"no such database|is disabled"):
        shared_place.connect_pool(shop, "old", user="app", password="pw")
    with shared_place.connect_pool(shop, "new", user="app", password="pw") as session:
        assert value(session, "SELECT current_database()") == "shop"


def test_a_new_size_holds_for_clients_that_stay(shop: Cluster, shared_place: Place) -> None:
    shop.set_pools([_pool(size=1)])

    def sessions_at_once(expected: int) -> None:
        with ExitStack() as stack:
            for session in clients[:expected]:
                stack.enter_context(session.transaction())
                session.execute("SELECT 1")
            count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = 'idle in transaction'"
            assert value(admin, count) == expected

    with ExitStack() as stack:
        admin = stack.enter_context(shared_place.connect(shop))
        clients = [
            stack.enter_context(shared_place.connect_pool(shop, "api", user="app", password="pw")) for _ in range(4)
        ]
        sessions_at_once(1)
        shop.set_pools([_pool(size=4)])
        sessions_at_once(4)
        shop.set_pools([_pool(size=2)])
        eventually(lambda: bool(value(admin, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'") <= 2))
        sessions_at_once(2)


def test_a_pool_that_changes_its_user_lets_the_former_go(shop: Cluster, shared_place: Place) -> None:
    shop.set_pools([_pool()])
    with shared_place.connect_pool(shop, "api", user="app", password="pw") as former:
        shop.set_pools([_pool(user="clerk")])
        with pytest.raises(psycopg.OperationalError):
            former.execute("SELECT 1")
    with shared_place.connect_pool(shop, "api", user="clerk", password="pw") as session:
        assert value(session, "SELECT current_user") == "clerk"


def test_a_session_pool_keeps_a_session(shop: Cluster, shared_place: Place) -> None:
    shop.set_pools([_pool("long", mode="session", size=2)])
    with shared_place.connect_pool(shop, "long", user="app", password="pw") as session:
        session.execute("SET statement_timeout = 4321")
        session.execute("CREATE TEMP TABLE kept AS SELECT 1 AS id")
        assert value(session, "SHOW statement_timeout") == "4321ms"
        assert value(session, "SELECT id FROM kept") == 1


@pytest.mark.parametrize(
    "pools",
    [
        [_pool("pgbouncer")],
        [_pool("two words")],
        [_pool("")],
        [_pool(), _pool()],
        [_pool(size=0)],
        [_pool(database='sh"op')],
    ],
)
def test_impossible_pools_change_nothing(shop: Cluster, shared_place: Place, pools: list[PoolSpec]) -> None:
    shop.set_pools([_pool()])
    with pytest.raises(InvalidRequest, match="Nothing was changed"):
        shop.set_pools(pools)
    assert shop.state.pools == (_pool(),)
    with shared_place.connect_pool(shop, "api", user="app", password="pw") as session:
        assert value(session, "SELECT 1") == 1
