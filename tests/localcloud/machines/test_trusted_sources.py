"""Trusted sources that name Droplets, tags and a whole network admit those Droplets, and nobody else."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.localcloud.cloud import LocalCloud, wait_until
from tests.localcloud.machines.conftest import console

pytestmark = pytest.mark.droplets

# Says hello to PostgreSQL over TLS, again and again, and prints every change of the answer: "R" asks for the
# password, "E" turns the address away.
CLIENT = """\
#!/usr/bin/python3 -u
import socket, ssl, struct, time
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
names = {{b"R": "admitted", b"E": "refused"}}
last = None
while True:
    raw = socket.create_connection(("{host}", {port}), timeout=30)
    raw.sendall(struct.pack(">II", 8, 80877103))
    assert raw.recv(1) == b"S"
    with context.wrap_socket(raw) as secured:
        hello = struct.pack(">I", 196608) + b"user\\0doadmin\\0database\\0defaultdb\\0\\0"
        secured.sendall(struct.pack(">I", len(hello) + 4) + hello)
        answer = secured.recv(1)
    if answer != last:
        print(names[answer], flush=True)
        last = answer
    time.sleep(0.2)
"""


def test_rules_for_droplets_and_tags(
    cloud: LocalCloud, cluster: dict[str, Any], make_droplet: Callable[..., dict[str, Any]]
) -> None:
    firewall = f"/v2/databases/{cluster['id']}/firewall"
    way_in = cluster["private_connection"]

    def trust(kind: str, value: str) -> None:
        cloud.put(firewall, {"rules": [{"type": kind, "value": value}]}, 204)

    def answers(*wanted: str) -> None:
        said: list[str] = []

        def heard() -> bool:
            said[:] = [line for line in console(cloud, droplet).split() if line in ("admitted", "refused")]
            return len(said) >= len(wanted)

        wait_until(heard, f"the Droplet to be {wanted[-1]}")
        assert said == list(wanted)

    trust("ip_addr", "203.0.113.7")
    droplet = make_droplet("client", user_data=CLIENT.format(host=way_in["host"], port=way_in["port"]))
    try:
        answers("refused")
        trust("droplet", str(droplet["id"]))
        answers("refused", "admitted")
        trust("tag", "clients")
        answers("refused", "admitted", "refused")
        cloud.post("/v2/tags", {"name": "clients"})
        tagged = {"resources": [{"resource_id": str(droplet["id"]), "resource_type": "droplet"}]}
        cloud.post("/v2/tags/clients/resources", tagged, 204)
        answers("refused", "admitted", "refused", "admitted")
        trust("ip_addr", "10.62.0.0/16")
        answers("refused", "admitted", "refused", "admitted", "refused")
        # All of the network that it is in, although its address here is no part of that.
        trust("ip_addr", "10.61.0.0/16")
        answers("refused", "admitted", "refused", "admitted", "refused", "admitted")
    finally:
        cloud.put(firewall, {"rules": []}, 204)
        cloud.delete(f"/v2/droplets/{droplet['id']}")
