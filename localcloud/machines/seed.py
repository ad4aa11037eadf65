"""What a machine finds on its first boot: who it is, and what cloud-init shall do."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SETTINGS = """\
# What DigitalOcean's images set, and what the shared network of the local cloud does not allow.
datasource_list: [NoCloud]
network: {config: disabled}
manage_etc_hosts: true
disable_root: false
users: [root]
locale: "false"
growpart: {mode: "off"}
resize_rootfs: false
no_ssh_fingerprints: true
ssh: {emit_keys_to_console: false}
"""
_HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"


@dataclass(frozen=True, kw_only=True)
class MachineSpec:
    """What a machine is. user_data: as sent, with or without a "#cloud-config" or "#!" line; may be empty."""

    id: int
    name: str
    image: str
    region: str
    public_address: str
    private_address: str
    user_data: str = ""
    tags: tuple[str, ...] = ()
    public_keys: tuple[str, ...] = ()


def plant(root: Path, spec: MachineSpec) -> None:
    """Writes the files into a root file system that has not booted yet."""
    seed = "var/lib/cloud/seed/nocloud"
    files = {
        "etc/hostname": f"{spec.name}\n",
        "etc/hosts": _HOSTS,
        "etc/cloud/cloud.cfg.d/90-local-cloud.cfg": _SETTINGS,
        f"{seed}/meta-data": json.dumps(_metadata(spec), indent=1),
        f"{seed}/user-data": spec.user_data,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (root / seed / "user-data").chmod(0o600)


def _metadata(spec: MachineSpec) -> dict[str, object]:
    """The metadata in the form DigitalOcean's own service has, plus the names NoCloud looks for."""
    return {
        "instance-id": str(spec.id),
        "droplet_id": spec.id,
        "local-hostname": spec.name,
        "hostname": spec.name,
        "region": spec.region,
        "tags": list(spec.tags),
        "public-keys": list(spec.public_keys),
        "interfaces": {
            "public": _interface("public", spec.public_address),
            "private": _interface("private", spec.private_address),
        },
    }


def _interface(kind: str, address: str) -> Sequence[dict[str, object]]:
    return [{"type": kind, "ipv4": {"ip_address": address, "netmask": "255.0.0.0", "gateway": "127.0.0.1"}}]
