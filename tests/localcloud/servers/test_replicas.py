"""Read replicas: they stream, they refuse writes, and they follow their primary through its changes."""

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from psycopg import errors

from localcloud.servers import AlreadyExists, Cluster, Replica
from tests.localcloud.servers.clients import Place, eventually, value


@pytest.fixture(scope="module")
def cluster(shared: Cluster, shared_place: Place) -> Cluster:
    with shared_place.connect(shared) as session:
        session.execute("CREATE TABLE ledger (id int)")
    return shared


@pytest.fixture
def place(shared_place: Place) -> Place:
    return shared_place


@pytest.fixture
def replica(cluster: Cluster, place: Place) -> Iterator[Replica]:
    created = cluster.create_replica("reports", place.folder / "replica", 25)
    yield created
    created.destroy()


def _arrives(place: Place, cluster: Cluster, replica: Replica, row: int) -> None:
    with place.connect(cluster) as writer:
        writer.execute("INSERT INTO ledger VALUES (%s)", [row])
    with place.connect(replica) as reader:
        eventually(lambda: bool(value(reader, f"SELECT count(*) FROM ledger WHERE id = {row}") == 1))


def test_it_streams_and_refuses_writes(cluster: Cluster, replica: Replica, place: Place) -> None:
    assert replica.lag() is not None
    cluster.create_user("analyst", "pw")
    for host in ("127.0.0.1", "127.0.0.2"):
        with place.connect(replica, host=host) as session:
            assert value(session, "SELECT pg_is_in_recovery()") is True
    _arrives(place, cluster, replica, 1)
    with place.connect(replica) as session, pytest.raises(errors.ReadOnlySqlTransaction):
        session.execute("INSERT INTO ledger VALUES (2)")
    with place.connect(replica, user="analyst", password="pw") as session:
        assert value(session, "SELECT current_user") == "analyst"
    eventually(lambda: replica.lag() == 0)
    assert replica.running()
    assert cluster.replicas["reports"] is replica
    assert replica.server.log.exists()


def test_it_has_its_own_plan_and_grows_with_its_primary(cluster: Cluster, replica: Replica, place: Place) -> None:
    cluster.resize(50)
    _arrives(place, cluster, replica, 3)
    cluster.create_user("crowd", "pw")
    with ExitStack() as stack:
        admin = stack.enter_context(place.connect(replica))
        eventually(lambda: bool(value(admin, "SELECT count(*) FROM pg_roles WHERE rolname = 'crowd'") == 1))
        for _ in range(21):
            stack.enter_context(place.connect(replica, user="crowd", password="pw"))
        with pytest.raises(psycopg.OperationalError, match="remaining connection slots are reserved"):
            place.connect(replica, user="crowd", password="pw")
    replica.resize(50)
    assert replica.state.max_connections == 50
    _arrives(place, cluster, replica, 4)


def test_it_catches_up_after_a_stop(cluster: Cluster, replica: Replica, place: Place) -> None:
    replica.stop()
    assert not replica.running()
    assert replica.lag() is None
    with place.connect(cluster) as session:
        session.execute("INSERT INTO ledger VALUES (5)")
    replica.start()
    _arrives(place, cluster, replica, 6)
    with place.connect(replica) as session:
        assert value(session, "SELECT count(*) FROM ledger WHERE id = 5") == 1


def test_it_starts_and_stops_with_its_cluster(cluster: Cluster, replica: Replica, place: Place) -> None:
    port = replica.state.port
    cluster.stop()
    assert not replica.running()
    again = place.load()
    again.start()
    loaded = again.replicas["reports"]
    assert loaded.state.port == port
    assert loaded.running()
    _arrives(place, again, loaded, 7)


def test_it_has_trusted_sources_of_its_own(cluster: Cluster, replica: Replica, place: Place) -> None:
    replica.set_trusted_sources(["10.0.0.0/16"])
    with pytest.raises(psycopg.OperationalError, match="no pg_hba"):
        place.connect(replica)
    with place.connect(cluster) as session:
        assert value(session, "SELECT 1") == 1
    eventually(lambda: replica.lag() is not None)


def test_it_begins_with_its_primarys_trusted_sources(cluster: Cluster, place: Place) -> None:
    cluster.set_trusted_sources(["10.0.0.0/16"])
    replica = cluster.create_replica("walled", place.folder / "walled", 25)
    cluster.set_trusted_sources([])
    assert replica.state.trusted_sources == ("10.0.0.0/16",)
    with pytest.raises(psycopg.OperationalError, match="no pg_hba"):
        place.connect(replica)
    replica.destroy()


def test_destroyed_it_leaves_nothing_behind(cluster: Cluster, replica: Replica, place: Place) -> None:
    replica.destroy()
    replica.destroy()
    assert not replica.folder.exists()
    assert cluster.replicas == {}
    with place.connect(cluster) as session:
        assert value(session, "SELECT count(*) FROM pg_replication_slots") == 0
    assert place.load().replicas == {}
    again = cluster.create_replica("reports", place.folder / "replica", 25)
    _arrives(place, cluster, again, 8)
    again.destroy()


def test_one_name_one_replica(cluster: Cluster, replica: Replica, place: Place) -> None:
    with pytest.raises(AlreadyExists, match="'reports'"):
        cluster.create_replica("reports", place.folder / "other", 25)
    assert replica.running()
    assert not (place.folder / "other").exists()


def test_what_an_interrupted_creation_left_is_replaced(cluster: Cluster, place: Place) -> None:
    folder = place.folder / "replica"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "PG_VERSION").write_text("17")
    replica = cluster.create_replica("reports", folder, 25)
    _arrives(place, cluster, replica, 9)
    replica.destroy()
