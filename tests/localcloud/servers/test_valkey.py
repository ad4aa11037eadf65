"""Valkey servers: TLS, the user, memory, eviction, snapshots, trusted sources."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from localcloud.servers import AlreadyExists, InvalidRequest, Tools, Valkey, ValkeySettings, ValkeySpec
from localcloud.servers.resp import Refused, Session
from tests.localcloud.servers.clients import Place, eventually

PASSWORD = "first password"
SETTINGS = ValkeySettings(max_memory_mib=16, directives={"save": "600 1", "maxmemory-policy": "noeviction"})
CACHE = ValkeySettings(max_memory_mib=16, directives={"save": "", "maxmemory-policy": "allkeys-lru"})


def create(place: Place, settings: ValkeySettings = SETTINGS) -> Valkey:
    spec = ValkeySpec(id="cache", settings=settings, admin_password=PASSWORD)
    return Valkey.create(place.folder / "valkey", spec, place.tools, place.authority)


def connect(
    place: Place, valkey: Valkey, host: str = "127.0.0.1", password: str = PASSWORD, trust: Path | None = None
) -> Session:
    """A client's session, the server's certificate and name verified."""
    context = ssl.create_default_context(cafile=str(trust or place.ca_file))
    plain = socket.create_connection((host, valkey.state.port), timeout=60)
    session = Session(context.wrap_socket(plain, server_hostname=host))
    try:
        session.execute("AUTH", "default", password)
    except BaseException:
        session.close()
        raise
    return session


@pytest.fixture
def valkey(place: Place) -> Iterator[Valkey]:
    made = create(place)
    yield made
    made.destroy()


@pytest.fixture(scope="module")
def shared(shared_place: Place) -> Iterator[Valkey]:
    made = create(shared_place)
    yield made
    made.destroy()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_clients_connect_with_tls_on_both_hosts(shared: Valkey, shared_place: Place, host: str) -> None:
    with connect(shared_place, shared, host) as client:
        assert client.execute("SET", "greeting", "héllo wörld\r\n") == "OK"
        assert client.execute("GET", "greeting") == "héllo wörld\r\n"
        assert client.execute("GET", "missing") is None


def test_without_tls_there_is_no_way_in(shared: Valkey) -> None:
    plain = socket.create_connection(("127.0.0.1", shared.state.port), timeout=60)
    with Session(plain) as client, pytest.raises(OSError, match=r"closed|reset"):
        client.execute("PING")


def test_a_wrong_password_is_refused(shared: Valkey, shared_place: Place) -> None:
    with pytest.raises(Refused, match="WRONGPASS"):
        connect(shared_place, shared, password="wrong")


@pytest.mark.parametrize("command", ["CONFIG GET maxmemory", "SHUTDOWN", "ACL LIST", "REPLICAOF NO ONE", "BGSAVE"])
def test_the_user_does_not_manage_the_server(shared: Valkey, shared_place: Place, command: str) -> None:
    with connect(shared_place, shared) as client, pytest.raises(Refused, match="NOPERM"):
        client.execute(*command.split())


def test_a_new_password_replaces_the_old_one_and_open_sessions_stay(valkey: Valkey, place: Place) -> None:
    with connect(place, valkey) as before:
        valkey.set_password("default", "second")
        with connect(place, valkey, password="second") as client:
            assert client.execute("PING") == "PONG"
        with pytest.raises(Refused, match="WRONGPASS"):
            connect(place, valkey)
        assert before.execute("PING") == "PONG"
    with pytest.raises(InvalidRequest, match="has the user 'default' only"):
        valkey.set_password("other", "pw")
    files = [path for path in valkey.folder.rglob("*") if path.is_file()]
    assert not [path.name for path in files if b"second" in path.read_bytes()], "no password in plain text on disk"


def fill(client: Session) -> None:
    """Writes 32 MiB, twice what the server may hold."""
    for number in range(32):
        client.execute("SET", f"filler-{number}", "x" * 1024 * 1024)


def test_a_full_server_refuses_writes_until_it_may_evict(valkey: Valkey, place: Place) -> None:
    with connect(place, valkey) as client:
        with pytest.raises(Refused, match="OOM"):
            fill(client)
        evicting = replace(SETTINGS, directives={**SETTINGS.directives, "maxmemory-policy": "allkeys-lru"})
        valkey.configure(evicting)
        fill(client)
        assert client.execute("EXISTS", "filler-31") == 1
        left = client.execute("DBSIZE")
        assert isinstance(left, int)
        assert 0 < left < 32
        valkey.configure(replace(evicting, max_memory_mib=64))
        fill(client)
        assert client.execute("DBSIZE") == 32


def test_data_survives_a_stop_when_snapshots_are_kept(valkey: Valkey, place: Place) -> None:
    with connect(place, valkey) as client:
        client.execute("SET", "kept", "yes")
    port = valkey.state.port
    valkey.stop()
    assert not valkey.running()
    again = Valkey.load(valkey.folder, place.tools)
    again.start()
    assert again.state.port == port
    with connect(place, again) as client:
        assert client.execute("GET", "kept") == "yes"


def test_data_is_gone_after_a_stop_when_none_are_kept(valkey: Valkey, place: Place) -> None:
    with connect(place, valkey) as client:
        client.execute("SET", "old", "yes")
    valkey.stop()
    valkey.start()
    valkey.configure(CACHE)
    with connect(place, valkey) as client:
        assert client.execute("EXISTS", "old") == 1, "a change of settings alone loses nothing"
    valkey.stop()
    valkey.start()
    with connect(place, valkey) as client:
        assert client.execute("DBSIZE") == 0


def test_a_setting_that_needs_a_restart_gets_one_and_data_stays(valkey: Valkey, place: Place) -> None:
    with connect(place, valkey) as client:
        client.execute("SET", "kept", "yes")
        with pytest.raises(Refused, match="out of range"):
            client.execute("SELECT", 20)
    valkey.configure(replace(SETTINGS, directives={**SETTINGS.directives, "databases": "32"}))
    with connect(place, valkey) as client:
        assert client.execute("GET", "kept") == "yes"
        assert client.execute("SELECT", 20) == "OK"


def test_a_refused_setting_changes_nothing(valkey: Valkey) -> None:
    with pytest.raises(InvalidRequest, match="maxmemory-policy"):
        valkey.configure(ValkeySettings(max_memory_mib=32, directives={"maxmemory-policy": "keep-the-nice-ones"}))
    assert valkey.state.settings == SETTINGS


def test_sources_that_leave_this_machine_out_close_the_server(valkey: Valkey, place: Place) -> None:
    with connect(place, valkey) as client:
        valkey.set_trusted_sources(["127.0.0.0/8", "203.0.113.7"])
        assert client.execute("PING") == "PONG"
        valkey.set_trusted_sources(["203.0.113.7"])
        with pytest.raises((OSError, Refused)):
            client.execute("PING")
    with pytest.raises(Refused, match="WRONGPASS"):
        connect(place, valkey)
    valkey.stop()
    valkey.start()
    with pytest.raises(Refused, match="WRONGPASS"):
        connect(place, valkey)
    valkey.set_trusted_sources(["127.9.9.9"])
    connect(place, valkey).close()
    valkey.set_trusted_sources([])
    with connect(place, valkey) as client:
        assert client.execute("PING") == "PONG"
    with pytest.raises(InvalidRequest, match="address or a CIDR range"):
        valkey.set_trusted_sources(["everyone"])


def test_a_running_server_is_adopted(valkey: Valkey, place: Place) -> None:
    before = valkey._server.process()
    again = Valkey.load(valkey.folder, place.tools)
    again.start()
    assert again._server.process() == before
    with pytest.raises(AlreadyExists):
        create(place)


def test_nothing_is_left_of_a_destroyed_server(place: Place, tools: Tools) -> None:
    made = create(place)
    process = made._server.process()
    assert process is not None
    made.destroy()
    made.destroy()
    assert not made.folder.exists()
    eventually(lambda: not process.alive())
    assert not Valkey.exists(made.folder)
