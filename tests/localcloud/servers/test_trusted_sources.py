"""Trusted sources: enforced by the server and by the pooler, also for clients on the same machine."""

from collections.abc import Iterator

import psycopg
import pytest

from localcloud.servers import Cluster, InvalidRequest, PoolSpec
from tests.localcloud.servers.clients import Place, value

POOL = PoolSpec(name="api", database="defaultdb", user=None, mode="transaction", size=5)


@pytest.fixture
def guarded(shared: Cluster) -> Iterator[Cluster]:
    shared.set_pools([POOL])
    yield shared
    shared.set_trusted_sources([])


def test_everyone_is_admitted_until_a_source_is_trusted(guarded: Cluster, shared_place: Place) -> None:
    assert guarded.state.trusted_sources == ()
    with shared_place.connect(guarded) as session:
        assert value(session, "SELECT 1") == 1


@pytest.mark.parametrize("sources", [["10.0.0.0/16"], ["127.0.0.2"], ["192.168.0.0/24", "127.1.0.0/16"]])
def test_a_client_that_is_not_on_the_list_is_refused(guarded: Cluster, shared_place: Place, sources: list[str]) -> None:
    guarded.set_trusted_sources(sources)
    with pytest.raises(psycopg.OperationalError, match='no pg_hba.conf entry for host "127.0.0.1"'):  # noqa: RUF043
        shared_place.connect(guarded)
    with pytest.raises(psycopg.OperationalError, match="login rejected"):
        shared_place.connect_pool(guarded, POOL.name)
    # The platform is not a client: it still manages, and the pooler's own connections are not refused.
    guarded.set_password("doadmin", 'admin\'s "first" password')


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.1/32", "127.0.0.0/8", "127.0.0.77/24"])
def test_a_client_on_the_list_is_admitted(guarded: Cluster, shared_place: Place, source: str) -> None:
    guarded.set_trusted_sources(["10.0.0.0/16", source])
    assert guarded.state.trusted_sources == ("10.0.0.0/16", source)
    with shared_place.connect(guarded) as session:
        assert value(session, "SELECT 1") == 1
    with shared_place.connect_pool(guarded, POOL.name) as session:
        assert value(session, "SELECT 1") == 1
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        shared_place.connect(guarded, sslmode="disable")


def test_sessions_from_a_source_no_longer_trusted_end(guarded: Cluster, shared_place: Place) -> None:
    guarded.set_trusted_sources(["127.0.0.1"])
    direct = shared_place.connect(guarded)
    pooled = shared_place.connect_pool(guarded, POOL.name)
    pooled.execute("SELECT 1")
    guarded.set_trusted_sources(["10.0.0.0/16", "127.0.0.1"])
    assert value(direct, "SELECT 1") == value(pooled, "SELECT 1") == 1

    guarded.set_trusted_sources(["10.0.0.0/16"])

    for session in (direct, pooled):
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
        session.close()
    guarded.set_trusted_sources(["127.0.0.1"])
    with shared_place.connect_pool(guarded, POOL.name) as session:
        assert value(session, "SELECT 1") == 1


def test_they_hold_after_a_restart(guarded: Cluster, shared_place: Place) -> None:
    guarded.set_trusted_sources(["10.0.0.0/16"])
    guarded.stop()
    again = shared_place.load()
    assert again.state.trusted_sources == ("10.0.0.0/16",)
    again.start()
    with pytest.raises(psycopg.OperationalError, match="no pg_hba"):
        shared_place.connect(again)
    with pytest.raises(psycopg.OperationalError, match="login rejected"):
        shared_place.connect_pool(again, POOL.name)


def test_set_while_stopped_they_hold_from_the_start(guarded: Cluster, shared_place: Place) -> None:
    guarded.stop()
    guarded.set_trusted_sources(["10.0.0.0/16"])
    guarded.start()
    with pytest.raises(psycopg.OperationalError, match="no pg_hba"):
        shared_place.connect(guarded)


@pytest.mark.parametrize("source", ["everyone", "10.0.0.0/33", "10.0.0", "", "10.0.0.1 # comment"])
def test_what_is_no_address_changes_nothing(guarded: Cluster, shared_place: Place, source: str) -> None:
    guarded.set_trusted_sources(["127.0.0.1"])
    with pytest.raises(InvalidRequest, match="Nothing was changed"):
        guarded.set_trusted_sources(["127.0.0.1", source])
    assert guarded.state.trusted_sources == ("127.0.0.1",)
    with shared_place.connect(guarded) as session:
        assert value(session, "SELECT 1") == 1
