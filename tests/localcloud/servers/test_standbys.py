"""Nodes that take over for the primary, and replicas that become clusters of their own."""

import os
import signal
import time
from collections.abc import Iterator

import psycopg
import pytest

from localcloud.servers import Cluster, PoolSpec
from localcloud.servers.processes import Process, within
from tests.localcloud.servers.clients import Place, eventually, value

POOL = PoolSpec(name="api", database="defaultdb", user="doadmin", mode="transaction", size=3)


@pytest.fixture
def pair(place: Place) -> Iterator[Cluster]:
    created = place.create(max_connections=50)
    created.set_pools([POOL])
    created.set_standbys(1)
    yield created
    created.destroy()


def kill_primary(cluster: Cluster) -> None:
    main = min(within(cluster.folder / "data"), key=lambda process: (process.started, process.pid))
    os.kill(main.pid, signal.SIGKILL)
    eventually(lambda: Process.of(main.pid) != main)


def caught_up(place: Place, cluster: Cluster, node: int = 0) -> None:
    eventually(lambda: cluster.standbys[node].lag() == 0)


def test_a_standby_takes_over_at_the_same_address(place: Place, pair: Cluster) -> None:
    pair.create_user("app", "pw")
    reader = pair.create_replica("reader", place.folder / "reader", 50)
    with place.connect(pair) as session:
        session.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        with place.connect(pair.standbys[0]) as standby:
            assert value(standby, "SELECT pg_is_in_recovery()") is True
        caught_up(place, pair)
    before = pair.state.port, pair.state.pool_port, pair.standby_port
    pair.back_up()
    for answer in (43, 44):
        kill_primary(pair)
        # Not even its data is of any use.
        (pair.folder / "data" / "global" / "pg_control").unlink()
        assert pair.ended() == (f"PostgreSQL of cluster {pair.standbys[0].server.label.rpartition(' ')[2]}",)
        began = time.monotonic()
        pair.start()
        assert time.monotonic() - began < 30
        assert (pair.state.port, pair.state.pool_port, pair.standby_port) == before
        for host in ("127.0.0.1", "127.0.0.2"):
            with place.connect(pair, host=host) as session:
                assert value(session, "SELECT pg_is_in_recovery()") is False
                assert value(session, "SELECT max(answer) FROM kept") == answer - 1
        with place.connect_pool(pair, "api") as session:
            session.execute(f"INSERT INTO kept VALUES ({answer})".encode())
        for node in (pair.standbys[0], reader):
            with place.connect(node) as session:
                while value(session, "SELECT max(answer) FROM kept") != answer:
                    time.sleep(0.05)
        with place.connect(pair, user="app", password="pw") as session:
            assert value(session, "SELECT 1") == 1
        caught_up(place, pair)
    # And it is remembered.
    pair.stop()
    again = place.load()
    again.start()
    with place.connect(again) as session:
        assert value(session, "SELECT array_agg(answer ORDER BY answer) FROM kept") == [42, 43, 44]
    again.stop()


def test_a_take_over_that_was_cut_off_is_ended_by_the_next_start(place: Place, pair: Cluster) -> None:
    with place.connect(pair) as session:
        session.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    caught_up(place, pair)
    standby = pair.standbys[0]
    pair._remember(promoting=standby.state.name)
    standby.promote()
    pair.stop()
    loaded = place.load()
    loaded.start()
    with place.connect(loaded) as session:
        assert value(session, "SELECT timeline_id FROM pg_control_checkpoint()") == 2
        assert value(session, "SELECT answer FROM kept") == 42
    assert loaded.state.promoting == ""
    caught_up(place, loaded)


def test_standbys_follow_what_the_cluster_gets(place: Place, pair: Cluster) -> None:
    pair.set_standbys(2)
    pair.resize(100)
    pair.set_trusted_sources(["127.0.0.2/32"])
    assert [node.state.max_connections for node in pair.standbys] == [100, 100]
    assert {node.state.trusted_sources for node in pair.standbys} == {("127.0.0.2/32",)}
    for number in (0, 1):
        caught_up(place, pair, number)
    kill_primary(pair)
    pair.start()
    for number in (0, 1):
        caught_up(place, pair, number)
    pair.set_standbys(0)
    assert (pair.standbys, pair.standby_port, pair.running()) == ((), 0, True)
    assert not list(pair.folder.glob("_standby*"))


def test_a_replica_becomes_a_cluster_of_its_own(place: Place, cluster: Cluster) -> None:
    cluster.create_user("app", "pw")
    source, folder = place.folder / "reader", place.folder / "promoted"
    replica = cluster.create_replica("reader", source, 50)
    with place.connect(cluster) as session:
        session.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    eventually(lambda: replica.lag() == 0)
    made = cluster.release("reader", source, folder, "another")
    assert (made.state.port, made.state.max_connections, dict(cluster.replicas)) == (replica.state.port, 50, {})
    made.set_pools([POOL])
    with place.connect(made) as session, place.connect_pool(made, "api") as pooled:
        session.execute("INSERT INTO kept VALUES (43)")
        assert value(pooled, "SELECT sum(answer) FROM kept") == 85
    with place.connect(made, user="app", password="pw") as session:
        assert value(session, "SELECT 1") == 1
    with place.connect(cluster) as session:
        assert value(session, "SELECT count(*) FROM kept") == 1
        assert value(session, "SELECT count(*) FROM pg_replication_slots") == 0
    made.back_up()
    made.destroy()
    with pytest.raises(psycopg.OperationalError):
        place.connect(made)
