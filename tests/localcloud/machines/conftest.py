"""A VPC, a volume and Droplets on it."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest

from localcloud.servers import processes
from tests.localcloud.cloud import LocalCloud, wait_until

USER_DATA = """\
## template: jinja
#cloud-config
write_files:
  - path: /etc/systemd/system/notes.service
    content: |
      [Service]
      ExecStart=/usr/bin/python3 -m http.server 8080 -d /mnt/test_notes \
--bind {{ ds.meta_data.interfaces.private[0].ipv4.ip_address }}
      [Install]
      WantedBy=multi-user.target
  - path: /etc/app.secret
    permissions: "0600"
    content: not-for-the-journal
runcmd:
  - [sh, -c, "[ -e /mnt/test_notes/note ] || echo 'made by {{ v1.local_hostname }}' > /mnt/test_notes/note"]
  - [systemctl, enable, --now, notes.service]
"""

OPENER = build_opener(ProxyHandler({}))


@pytest.fixture(scope="session")
def user_data() -> str:
    """Serves a note on the volume test-notes, which the first Droplet writes."""
    return USER_DATA


@pytest.fixture(scope="module")
def network(cloud: LocalCloud) -> Iterator[dict[str, Any]]:
    vpc = cloud.post("/v2/vpcs", {"name": "droplets", "region": "sfo3", "ip_range": "10.61.0.0/16"})["vpc"]
    yield vpc
    cloud.delete(f"/v2/vpcs/{vpc['id']}")


@pytest.fixture(scope="module")
def volume(cloud: LocalCloud) -> Iterator[dict[str, Any]]:
    asked = {"name": "test-notes", "region": "sfo3", "size_gigabytes": 3, "filesystem_type": "ext4"}
    volume = cloud.post("/v2/volumes", asked)["volume"]
    yield volume
    cloud.delete(f"/v2/volumes/{volume['id']}")


@pytest.fixture(scope="module")
def make_droplet(cloud: LocalCloud, network: dict[str, Any], volume: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """Makes a Droplet and waits until it is active."""

    def make(name: str, **changes: Any) -> dict[str, Any]:
        asked = {
            "name": name,
            "region": "sfo3",
            "size": "s-1vcpu-1gb",
            "image": "debian-12-x64",
            "vpc_uuid": network["id"],
        }
        made = cloud.post("/v2/droplets", asked | changes, 202)["droplet"]
        return active(cloud, made["id"])

    return make


@pytest.fixture(scope="module")
def droplet(
    cloud: LocalCloud, volume: dict[str, Any], make_droplet: Callable[..., dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """A Droplet that serves its volume."""
    made = make_droplet("notes-1", user_data=USER_DATA, volumes=[volume["id"]], tags=["notes"])
    yield made
    cloud.call("DELETE", f"/v2/droplets/{made['id']}")


def active(cloud: LocalCloud, id: int, status: str = "active") -> dict[str, Any]:
    """The Droplet, once it has this status."""
    path = f"/v2/droplets/{id}"
    wait_until(lambda: bool(cloud.get(path)["droplet"]["status"] == status), f"{path} to be {status}")
    found: dict[str, Any] = cloud.get(path)["droplet"]
    return found


def address(droplet: dict[str, Any], kind: str) -> str:
    return next(str(item["ip_address"]) for item in droplet["networks"]["v4"] if item["type"] == kind)


def console(cloud: LocalCloud, droplet: dict[str, Any]) -> str:
    return str(cloud.get(f"/_local/droplets/{droplet['id']}/console")["console"])


def note(droplet: dict[str, Any]) -> str:
    """What the Droplet's service answers, once it does."""

    def answers() -> bool:
        try:
            return bool(fetch(droplet))
        except OSError:
            return False

    wait_until(answers, f"the service of {droplet['name']}")
    return fetch(droplet)


def fetch(droplet: dict[str, Any]) -> str:
    with OPENER.open(f"http://{address(droplet, 'private')}:8080/note", timeout=5) as answer:
        return str(answer.read().decode())


def traces(cloud: LocalCloud) -> list[str]:
    """What machines of this local cloud have left or still use: loop devices, mounts, processes."""
    loops = subprocess.run(["losetup", "--list", "--noheadings"], capture_output=True, text=True, check=True).stdout
    mounts = Path("/proc/self/mounts").read_text()
    found = [line for line in (*loops.splitlines(), *mounts.splitlines()) if str(cloud.state) in line]
    for folder in (cloud.state / "machines").glob("*"):
        found += [str(process) for process in processes.within(folder)]
    return found
