"""Who gets in on the direct port, how many, and with what encryption."""

from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from localcloud.servers import Cluster, PoolSpec
from tests.localcloud.servers.clients import ADMIN_PASSWORD, Place, eventually, value

POOL = PoolSpec(name="front-desk", database="defaultdb", user=None, mode="transaction", size=5)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost"])
def test_the_host_name_is_verified_on_every_host(shared: Cluster, shared_place: Place, host: str) -> None:
    shared.set_pools([POOL])
    with shared_place.connect(shared, host=host) as session:
        assert value(session, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True
    with shared_place.connect_pool(shared, POOL.name, host=host) as session:
        assert value(session, "SELECT current_user || '@' || current_database()") == "doadmin@defaultdb"


def test_a_client_that_trusts_another_authority_turns_away(
    shared: Cluster, shared_place: Place, tmp_path: Path
) -> None:
    other = type(shared_place.authority)(tmp_path / "other")
    (tmp_path / "other.crt").write_text(other.pem)
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        shared_place.connect(shared, sslrootcert=str(tmp_path / "other.crt"))


def test_without_tls_nobody_gets_in(shared: Cluster, shared_place: Place) -> None:
    shared.set_pools([POOL])
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        shared_place.connect(shared, sslmode="disable")
    with pytest.raises(psycopg.OperationalError, match="SSL required"):
        shared_place.connect_pool(shared, POOL.name, sslmode="disable")


def test_a_wrong_password_is_refused(shared: Cluster, shared_place: Place) -> None:
    shared.set_pools([POOL])
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        shared_place.connect(shared, password=ADMIN_PASSWORD + "x")
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        shared_place.connect_pool(shared, POOL.name, password=ADMIN_PASSWORD + "x")


@pytest.mark.parametrize("user", ["postgres", "_replication"])
def test_the_platforms_own_logins_are_closed_to_clients(shared: Cluster, shared_place: Place, user: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="rejects connection"):
        shared_place.connect(shared, user=user)


def test_the_poolers_console_is_closed_to_clients(shared: Cluster, shared_place: Place) -> None:
    with pytest.raises(psycopg.OperationalError, match="not allowed"):
        shared_place.connect_pool(shared, "pgbouncer")


def test_the_23rd_connection_of_the_smallest_plan_is_refused(shared: Cluster, shared_place: Place) -> None:
    shared.create_user("crowd", "pw")
    shared.set_pools([])
    others = "SELECT count(*) FROM pg_stat_activity WHERE client_port IS NOT NULL AND pid <> pg_backend_pid()"
    with shared_place.connect(shared) as session:
        eventually(lambda: bool(value(session, others) == 0))
    with ExitStack() as stack:
        for _ in range(22):
            stack.enter_context(shared_place.connect(shared, user="crowd", password="pw"))
        with pytest.raises(psycopg.OperationalError, match="remaining connection slots are reserved"):
            shared_place.connect(shared, user="crowd", password="pw")
        with pytest.raises(psycopg.OperationalError, match="remaining connection slots are reserved"):
            shared_place.connect(shared)
        # The platform itself still gets in.
        assert "crowd" in shared.users()
