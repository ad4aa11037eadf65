"""Droplets as machines: they boot, serve, go off and on again, and leave nothing behind."""

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.localcloud.cloud import LocalCloud, wait_until
from tests.localcloud.machines.conftest import active, console, note, traces

pytestmark = pytest.mark.droplets

Maker = Callable[..., dict[str, Any]]


def test_a_droplet_boots_and_its_user_data_brings_up_a_service(cloud: LocalCloud, droplet: dict[str, Any]) -> None:
    assert note(droplet) == "made by notes-1\n"
    assert "Created symlink /etc/systemd/system/multi-user.target.wants/notes.service" in console(cloud, droplet)
    own = {item["ip_address"] for item in droplet["networks"]["v4"]}
    assert len(own) == 2
    assert all(address.startswith("127.0.") for address in own)
    assert (droplet["size_slug"], droplet["memory"], droplet["locked"]) == ("s-1vcpu-1gb", 1024, False)


def test_the_command_shows_it_and_goes_into_it(cloud: LocalCloud, droplet: dict[str, Any]) -> None:
    note(droplet)
    facts = json.loads(cloud.command("status", "--json").stdout)["droplets"]
    assert [(item["name"], item["status"], item["volumes"]) for item in facts] == [
        ("notes-1", "active", ["test-notes"])
    ]
    inside = cloud.command("enter", "notes-1", "systemctl", "is-active", "notes.service")
    assert (inside.returncode, inside.stdout.strip()) == (0, "active")
    assert "notes.service" in cloud.command("logs", "notes-1/cloud-init").stdout
    assert "There are: notes-1." in cloud.command("enter", "other").stderr


def test_a_machine_cannot_change_the_computer_it_runs_on(cloud: LocalCloud, droplet: dict[str, Any]) -> None:
    for attempt in (
        ("ip", "link", "set", "lo", "mtu", "1400"),
        ("sysctl", "-w", "kernel.threads-max=1"),
        ("sh", "-c", "echo 1 > /sys/kernel/profiling"),
        ("ls", str(cloud.state)),
    ):
        assert cloud.command("enter", "notes-1", *attempt).returncode != 0, attempt


@pytest.mark.parametrize(
    "attempt",
    [
        "mount -t proc proc /mnt && cat /mnt/sys/vm/swappiness && cat /mnt/sys/vm/swappiness > /mnt/sys/vm/swappiness",
        "mount -t devtmpfs dev /mnt && head -c 1 /mnt/$(awk '$1 != 7 && NR > 2 {print $4; exit}' /proc/partitions)",
        "mknod /tmp/disk b 8 0",
    ],
)
def test_nor_can_root_in_it_by_mounts_of_its_own(cloud: LocalCloud, droplet: dict[str, Any], attempt: str) -> None:
    # As a service, which is how anything in a machine runs; `enter` comes from outside.
    service = ("systemd-run", "--quiet", "--wait", "--pipe", "--property=PrivateMounts=yes", "sh", "-c")
    assert cloud.command("enter", "notes-1", *service, "true").returncode == 0
    tried = cloud.command("enter", "notes-1", *service, attempt)
    assert tried.returncode != 0, tried.stdout
    assert "Operation not permitted" in tried.stderr


def test_user_data_is_neither_in_the_journal_nor_in_the_records(cloud: LocalCloud, droplet: dict[str, Any]) -> None:
    note(droplet)
    assert "not-for-the-journal" not in json.dumps(cloud.journal())
    assert "not-for-the-journal" not in (cloud.state / "state.json").read_text()


def test_a_network_with_a_droplet_stays(cloud: LocalCloud, network: dict[str, Any], droplet: dict[str, Any]) -> None:
    members = cloud.get(f"/v2/vpcs/{network['id']}/members?resource_type=droplet")["members"]
    assert [item["urn"] for item in members] == [f"do:droplet:{droplet['id']}"]
    answer = cloud.call("DELETE", f"/v2/vpcs/{network['id']}")
    assert (answer.status, answer.message) == (403, "Can not delete VPC with members")


def test_a_droplet_is_resized_while_it_is_off_and_serves_again(cloud: LocalCloud, droplet: dict[str, Any]) -> None:
    note(droplet)
    actions = f"/v2/droplets/{droplet['id']}/actions"
    grow = {"type": "resize", "size": "s-1vcpu-2gb", "disk": True}
    assert "must be powered off" in cloud.call("POST", actions, grow).message
    action = cloud.post(actions, {"type": "power_off"})["action"]
    active(cloud, droplet["id"], "off")
    # It takes the next action then.
    assert cloud.get(f"/v2/actions/{action['id']}")["action"]["completed_at"]
    assert traces(cloud) == []
    assert cloud.call("POST", actions, {"type": "power_off"}).message == "Droplet is already powered off."

    resize = cloud.post(actions, grow)["action"]
    wait_until(lambda: bool(cloud.get(f"/v2/actions/{resize['id']}")["action"]["completed_at"]), "the resize to end")
    cloud.post(actions, {"type": "power_on"})
    grown = active(cloud, droplet["id"])
    assert (grown["size_slug"], grown["memory"], grown["disk"]) == ("s-1vcpu-2gb", 2048, 50)
    assert grown["networks"] == droplet["networks"]
    assert note(grown) == "made by notes-1\n"


def test_a_volume_survives_its_droplet_and_nothing_else_does(
    cloud: LocalCloud, volume: dict[str, Any], droplet: dict[str, Any], make_droplet: Maker, user_data: str
) -> None:
    note(droplet)
    taken = cloud.call("DELETE", f"/v2/volumes/{volume['id']}")
    assert (taken.status, "still attached" in taken.message) == (409, True)
    cloud.delete(f"/v2/droplets/{droplet['id']}")
    assert cloud.call("GET", f"/v2/droplets/{droplet['id']}").status == 404
    assert traces(cloud) == []
    assert not (cloud.state / "machines" / str(droplet["id"])).exists()
    assert cloud.get(f"/v2/volumes/{volume['id']}")["volume"]["droplet_ids"] == []

    second = make_droplet("notes-2", user_data=user_data, volumes=[volume["id"]])
    try:
        assert note(second) == "made by notes-1\n"
    finally:
        cloud.delete(f"/v2/droplets/{second['id']}")


def test_a_volume_goes_into_a_running_droplet_and_out_while_it_is_in_use(
    cloud: LocalCloud, make_droplet: Maker
) -> None:
    hold = "#!/bin/sh\nuntil mountpoint -q /mnt/moving; do sleep 0.1; done\ndate > /mnt/moving/x\ncd /mnt/moving\n"
    droplet = make_droplet("busy", user_data=f"{hold}echo holding\nexec sleep 1000\n")
    asked = {"name": "moving", "region": "sfo3", "size_gigabytes": 1, "filesystem_type": "ext4"}
    volume = cloud.post("/v2/volumes", asked)["volume"]
    actions = f"/v2/volumes/{volume['id']}/actions"
    order = {"type": "attach", "droplet_id": droplet["id"], "region": "sfo3"}
    assert cloud.post(actions, order, 202)["action"]["status"] == "completed"
    assert "already attached" in cloud.call("POST", actions, order).message
    assert cloud.get(f"/v2/droplets/{droplet['id']}")["droplet"]["volume_ids"] == [volume["id"]]
    wait_until(lambda: "holding" in console(cloud, droplet), "the Droplet to use the volume")

    assert "can only grow" in cloud.call("POST", actions, {"type": "resize", "size_gigabytes": 1}).message
    cloud.post(actions, {"type": "resize", "size_gigabytes": 2}, 202)
    cloud.post(actions, {"type": "detach", "droplet_id": droplet["id"]}, 202)
    assert cloud.get(f"/v2/volumes/{volume['id']}")["volume"]["size_gigabytes"] == 2
    cloud.delete(f"/v2/volumes/{volume['id']}")
    cloud.delete(f"/v2/droplets/{droplet['id']}")
    assert traces(cloud) == []


def test_machines_stop_and_start_with_the_local_cloud_and_outlive_its_death(
    make_cloud: Callable[..., LocalCloud], user_data: str
) -> None:
    own = make_cloud()
    asked = {"name": "test-notes", "region": "sfo3", "size_gigabytes": 1, "filesystem_type": "ext4"}
    volume = own.post("/v2/volumes", asked)["volume"]
    body = {"name": "stays", "region": "sfo3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
    made = own.post("/v2/droplets", body | {"volumes": [volume["id"]], "user_data": user_data}, 202)["droplet"]
    droplet = active(own, made["id"])
    assert note(droplet) == "made by stays\n"

    own.stop()
    assert traces(own) == []
    unfinished = own.state / "machines" / "1"
    unfinished.mkdir()
    own.start()
    assert not unfinished.exists(), "what an interrupted creation left is removed"
    assert active(own, droplet["id"])["networks"] == droplet["networks"]
    assert note(droplet) == "made by stays\n"

    os.kill(json.loads((own.state / "serve.lock").read_text())["pid"], signal.SIGKILL)
    assert note(droplet) == "made by stays\n"
    own.start()
    assert active(own, droplet["id"])["status"] == "active"
    os.kill(json.loads((own.state / "serve.lock").read_text())["pid"], signal.SIGKILL)
    own.remove()
    assert traces(own) == []


def test_without_an_image_no_droplet_is_pretended() -> None:
    bare = LocalCloud(None)
    bare.command("start", LOCALCLOUD_DROPLET_IMAGES="")
    try:
        body = {"name": "none", "region": "sfo3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
        answer = bare.call("POST", "/v2/droplets", body)
        assert (answer.status, answer.body["id"]) == (501, "not_implemented")
        assert "--droplet-images" in answer.message
        assert bare.get("/v2/droplets")["droplets"] == []
    finally:
        bare.remove()
