"""Droplets by the bundled plugin with the real engine: made, grown and replaced on real machines."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.localcloud.cloud import LocalCloud
from tests.providers.stack import Stack

pytestmark = pytest.mark.droplets

PROGRAM = """
import pulumi
import pulumi_digitalocean as digitalocean

config = pulumi.Config()
net = digitalocean.Vpc("net", name="machines", region="nyc1", ip_range="10.7.0.0/16")
data = digitalocean.Volume("data", name="data", region="nyc1", size=config.require_int("gib"),
                           initial_filesystem_type="ext4", description="kept", tags=["database"])
db = digitalocean.Droplet("db", name="db-1", region="nyc1", image="debian-12-x64", size=config.require("size"),
                          vpc_uuid=net.id, ssh_keys=[config.require("key")], tags=["database"], monitoring=True,
                          volume_ids=[data.id], user_data=config.require_secret("user_data"))
wall = digitalocean.Firewall("wall", name="database", droplet_ids=[db.id.apply(int)],
    inbound_rules=[{"protocol": "tcp", "port_range": "5432", "source_addresses": ["10.7.0.0/16"]},
                   {"protocol": "icmp", "source_tags": ["monitoring"]}],
    outbound_rules=[{"protocol": "tcp", "port_range": "all", "destination_addresses": ["0.0.0.0/0", "::/0"]}])
pulumi.export("address", db.ipv4_address_private)
"""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ops"
USER_DATA = "#!/bin/sh\necho the-password-in-user-data > /etc/app.password\n"


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    started = LocalCloud(None)
    try:
        started.start()
        yield started
    finally:
        started.remove()


@pytest.fixture
def stack(cloud: LocalCloud, tmp_path: Path) -> Iterator[Stack]:
    key = cloud.post("/v2/account/keys", {"name": "ops", "public_key": KEY})["ssh_key"]["id"]
    config = {"digitalocean:apiEndpoint": cloud.url, "size": "s-1vcpu-1gb", "gib": "2", "key": str(key)}
    made = Stack(tmp_path, config, {"digitalocean:token": cloud.token, "user_data": USER_DATA})
    made.program(PROGRAM)
    yield made
    made.destroy()


def test_life_of_a_droplet(stack: Stack, cloud: LocalCloud) -> None:
    stack.up()
    stack.unchanged()
    stack.refresh()
    stack.unchanged()
    assert stack.outputs()["address"].startswith("127.0.")
    assert "the-password-in-user-data" not in stack.run("stack", "export")

    first = stack.resources()
    stack.run("config", "set", "size", "s-1vcpu-2gb")
    stack.run("config", "set", "gib", "3")
    stack.up()
    stack.unchanged()
    grown = stack.resources()
    assert grown["db"]["id"] == first["db"]["id"], "the Droplet is resized, not replaced"
    assert grown["db"]["outputs"]["status"] == "active"
    assert grown["data"]["outputs"]["size"] == 3

    stack.run("config", "set", "--secret", "user_data", f"{USER_DATA}echo again\n")
    stack.up()
    stack.unchanged()
    replaced = stack.resources()
    assert replaced["db"]["id"] != first["db"]["id"], "new user data is a new Droplet"
    assert replaced["data"]["id"] == first["data"]["id"]
    assert cloud.get(f"/v2/volumes/{replaced['data']['id']}")["volume"]["droplet_ids"] == [int(replaced["db"]["id"])]

    stack.destroy()
    for kind in ("droplets", "volumes", "firewalls"):
        assert cloud.get(f"/v2/{kind}")[kind] == []
