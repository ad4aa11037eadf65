"""Firewalls hold packets up: tried with real connections, from addresses of the loopback range."""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.localcloud.cloud import LocalCloud, wait_until
from tests.localcloud.machines.conftest import active, address

pytestmark = pytest.mark.droplets

ADMITTED, OTHER = "127.0.0.77", "127.0.0.78"

# Echoes on TCP's and UDP's port 7000, and on TCP's 7100.
SERVICE = """\
## template: jinja
#cloud-config
write_files:
  - path: /etc/systemd/system/echo.service
    content: |
      [Service]
      ExecStart=/usr/bin/python3 /opt/service.py
      [Install]
      WantedBy=multi-user.target
  - path: /opt/service.py
    content: |
      import socket, threading
      HERE = "{{ ds.meta_data.interfaces.private[0].ipv4.ip_address }}"
      def tcp(port):
          with socket.create_server((HERE, port)) as server:
              while True:
                  client, _ = server.accept()
                  threading.Thread(target=echo, args=(client,), daemon=True).start()
      def echo(client):
          while data := client.recv(100):
              client.sendall(data)
      def udp():
          server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
          server.bind((HERE, 7000))
          while True:
              server.sendto(*server.recvfrom(100))
      for work in (lambda: tcp(7000), lambda: tcp(7100), udp):
          threading.Thread(target=work).start()
runcmd:
  - [systemctl, enable, --now, echo.service]
"""


def tcp(droplet: dict[str, Any], port: int = 7000, source: str = ADMITTED) -> bool:
    """Whether a connection from this address is answered."""
    try:
        with connected(droplet, port, source) as client:
            return speaks(client)
    except TimeoutError:
        return False


def connected(droplet: dict[str, Any], port: int, source: str) -> socket.socket:
    return socket.create_connection((address(droplet, "private"), port), 1.0, (source, 0))


def speaks(client: socket.socket) -> bool:
    client.sendall(b"hello")
    return client.recv(100) == b"hello"


def udp(droplet: dict[str, Any], source: str = ADMITTED) -> bool:
    """Whether a datagram from this address is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1.0)
        client.bind((source, 0))
        client.sendto(b"hello", (address(droplet, "private"), 7000))
        try:
            return client.recv(100) == b"hello"
        except TimeoutError:
            return False


def rule(protocol: str = "tcp", ports: str = "7000", **sources: Any) -> dict[str, Any]:
    return {"protocol": protocol, "ports": ports, "sources": sources}


EVERYWHERE = [
    {"protocol": protocol, "ports": "all", "destinations": {"addresses": ["0.0.0.0/0", "::/0"]}}
    for protocol in ("tcp", "udp")
]


@pytest.fixture(scope="module")
def service(cloud: LocalCloud, make_droplet: Callable[..., dict[str, Any]]) -> Iterator[dict[str, Any]]:
    made = make_droplet("echo", user_data=SERVICE, tags=["echoes"])
    wait_until(lambda: reached(made), "the echo")
    yield made
    cloud.delete(f"/v2/droplets/{made['id']}")


def reached(droplet: dict[str, Any]) -> bool:
    try:
        return tcp(droplet, 7100) and udp(droplet)
    except ConnectionRefusedError:
        return False


@pytest.fixture
def wall(cloud: LocalCloud, service: dict[str, Any]) -> Iterator[Callable[..., None]]:
    """Puts up the firewall of the service, or changes it; it is gone afterwards."""
    made: list[str] = []

    def put(*inbound: dict[str, Any], outbound: Any = EVERYWHERE, **who: Any) -> None:
        asked = {"name": "wall", "inbound_rules": inbound, "outbound_rules": outbound, **(who or {"tags": ["echoes"]})}
        if made:
            cloud.put(f"/v2/firewalls/{made[0]}", asked, 200)
        else:
            made.append(cloud.post("/v2/firewalls", asked, 202)["firewall"]["id"])

    yield put
    cloud.delete(f"/v2/firewalls/{made[0]}")
    assert tcp(service, source=OTHER), "without a firewall everything passes"


def test_addresses_ports_and_protocols(service: dict[str, Any], wall: Callable[..., None]) -> None:
    assert tcp(service) and tcp(service, source=OTHER) and udp(service)
    wall(rule(addresses=[f"{ADMITTED}/32"]))
    assert [tcp(service), tcp(service, source=OTHER), tcp(service, 7100), udp(service)] == [True, False, False, False]
    wall(rule(ports="7050-7200", addresses=["127.0.0.0/25", "::/0"]), rule("udp", "all", addresses=["0.0.0.0/0"]))
    assert [tcp(service), tcp(service, 7100), udp(service)] == [False, True, True]
    wall(rule("icmp", "0", addresses=["0.0.0.0/0"]), droplet_ids=[service["id"]])
    assert [tcp(service), tcp(service, 7100), udp(service)] == [False, False, False]


def test_a_connection_that_stands_outlives_the_rules(service: dict[str, Any], wall: Callable[..., None]) -> None:
    with connected(service, 7000, ADMITTED) as client:
        wall(rule(addresses=["198.51.100.7"]))
        assert not tcp(service)
        assert speaks(client)


def test_membership_by_id_and_by_tag_changes_while_it_runs(
    cloud: LocalCloud, service: dict[str, Any], wall: Callable[..., None]
) -> None:
    wall(rule(addresses=["198.51.100.7"]), tags=["nobody"])
    assert tcp(service)
    id = cloud.get("/v2/firewalls")["firewalls"][0]["id"]
    for members in ({"droplet_ids": [service["id"]]}, {"tags": ["echoes"]}):
        path = f"/v2/firewalls/{id}/{'tags' if 'tags' in members else 'droplets'}"
        cloud.post(path, members, 204)
        assert not tcp(service)
        cloud.call("DELETE", path, members)
        assert tcp(service)
    tagged = {"resources": [{"resource_id": str(service["id"]), "resource_type": "droplet"}]}
    cloud.post("/v2/tags", {"name": "nobody"})
    cloud.post("/v2/tags/nobody/resources", tagged, 204)
    assert not tcp(service)
    cloud.call("DELETE", "/v2/tags/nobody/resources", tagged)
    assert tcp(service)


def test_two_firewalls_let_through_what_either_does(
    cloud: LocalCloud, service: dict[str, Any], wall: Callable[..., None]
) -> None:
    wall(rule(addresses=[ADMITTED]))
    second = {"name": "second", "inbound_rules": [rule(ports="7100", addresses=[OTHER])], "tags": ["echoes"]}
    path = f"/v2/firewalls/{cloud.post('/v2/firewalls', second, 202)['firewall']['id']}"
    try:
        assert [tcp(service), tcp(service, 7100, OTHER), tcp(service, source=OTHER)] == [True, True, False]
    finally:
        cloud.delete(path)


def test_droplets_tags_and_networks_as_sources_and_destinations(
    cloud: LocalCloud,
    service: dict[str, Any],
    network: dict[str, Any],
    wall: Callable[..., None],
    make_droplet: Callable[..., dict[str, Any]],
) -> None:
    client = make_droplet("asker", user_data=SERVICE, tags=["askers"])

    def ask(port: int = 7000, host: str = address(service, "private")) -> bool:
        code = f"import socket; socket.create_connection(({host!r}, {port}), 1)"
        inside = ("systemd-run", "--quiet", "--wait", "--pipe", "python3", "-c", code)
        return cloud.command("enter", "asker", *inside).returncode == 0

    try:
        wait_until(lambda: reached(client), "the echo of the other Droplet")
        assert ask()
        wall(rule(addresses=["198.51.100.7"]))
        assert not ask()
        for sources in ({"droplet_ids": [client["id"]]}, {"tags": ["askers"]}, {"addresses": [network["ip_range"]]}):
            wall(rule(**sources))
            assert [ask(), ask(7100), tcp(service)] == [True, False, False]

        nothing = {"name": "shut", "inbound_rules": [rule(addresses=[ADMITTED])], "tags": ["askers"]}
        path = f"/v2/firewalls/{cloud.post('/v2/firewalls', nothing, 202)['firewall']['id']}"
        assert [ask(), tcp(client)] == [False, True]
        for destinations in ({"tags": ["echoes"]}, {"addresses": [f"{address(service, 'private')}/32"]}):
            out = [{"protocol": "tcp", "ports": "7000-7001", "destinations": destinations}]
            cloud.put(path, nothing | {"outbound_rules": out}, 200)
            assert [ask(), ask(7100), ask(80, "127.0.0.2")] == [True, False, False]
        cloud.delete(path)
    finally:
        cloud.delete(f"/v2/droplets/{client['id']}")


def test_rules_hold_while_the_local_cloud_is_dead_and_after_a_restart(make_cloud: Callable[..., LocalCloud]) -> None:
    own = make_cloud()
    asked = {"name": "wall", "inbound_rules": [rule(addresses=[ADMITTED])], "tags": ["echoes"]}
    path = f"/v2/firewalls/{own.post('/v2/firewalls', asked, 202)['firewall']['id']}"
    body = {"name": "echo", "size": "s-1vcpu-1gb", "image": "debian-12-x64", "tags": ["echoes"], "user_data": SERVICE}
    droplet = active(own, own.post("/v2/droplets", body, 202)["droplet"]["id"])
    wait_until(lambda: listens(droplet, ADMITTED), "the echo")
    assert not tcp(droplet, source=OTHER)

    os.kill(json.loads((own.state / "serve.lock").read_text())["pid"], signal.SIGKILL)
    assert [tcp(droplet), tcp(droplet, source=OTHER)] == [True, False]
    own.start()
    own.put(path, asked | {"inbound_rules": [rule(addresses=[OTHER])]}, 200)
    assert [tcp(droplet), tcp(droplet, source=OTHER)] == [False, True]
    own.stop()
    own.start()
    active(own, droplet["id"])
    wait_until(lambda: listens(droplet, OTHER), "the echo after a restart")
    assert not tcp(droplet)


def listens(droplet: dict[str, Any], source: str) -> bool:
    try:
        return tcp(droplet, source=source)
    except ConnectionRefusedError:
        return False
