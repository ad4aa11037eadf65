"""Droplets and volumes as the API shows them."""

from typing import Any

from localcloud import compute
from localcloud.api.call import Call
from localcloud.api.compute.catalogue import show_image, show_region, show_size
from localcloud.droplet_catalogue import IMAGES, SIZES


def droplet(call: Call, record: compute.Droplet) -> dict[str, Any]:
    """A Droplet. One that switched itself off shows so; while it is new it is locked."""
    size = SIZES[record.size]
    gone = record.status == "active" and not call.cloud.droplets.machine(record.id).running()
    interfaces = (("private", record.private_address), ("public", record.public_address))
    return {
        "id": record.id,
        "name": record.name,
        "memory": size.memory,
        "vcpus": size.vcpus,
        "disk": record.disk_gib,
        "locked": record.status == "new",
        "status": "off" if gone else record.status,
        "kernel": None,
        "created_at": record.created_at,
        "features": list(record.features),
        "backup_ids": [],
        "next_backup_window": None,
        "snapshot_ids": [],
        "image": show_image(IMAGES[record.image]),
        "volume_ids": [item.id for item in call.cloud.state.read().volumes.values() if item.droplet_id == record.id],
        "size": show_size(size),
        "size_slug": size.slug,
        "networks": {
            "v4": [
                {"ip_address": address, "netmask": "255.0.0.0", "gateway": "127.0.0.1", "type": kind}
                for kind, address in interfaces
                if address
            ],
            "v6": [],
        },
        "region": show_region(record.region),
        "tags": list(record.tags),
        "vpc_uuid": record.vpc_uuid,
    }


def volume(record: compute.Volume) -> dict[str, Any]:
    shown = record.model_dump(exclude={"size_gib", "droplet_id", "region"}, mode="json")
    return shown | {
        "size_gigabytes": record.size_gib,
        "droplet_ids": [] if record.droplet_id is None else [record.droplet_id],
        "region": show_region(record.region),
    }
