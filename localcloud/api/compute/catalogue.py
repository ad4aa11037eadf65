"""/v2/sizes, /v2/images and /v2/regions: what Droplets can be and where; Droplets and volumes as they are shown."""

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from localcloud import catalogue, compute
from localcloud.api.call import Call, Reply, Routes
from localcloud.api.errors import NotFound
from localcloud.api.paging import page
from localcloud.droplet_catalogue import IMAGES, SIZES, Image, Size
from localcloud.droplets import pending

_FEATURES = ["private_networking", "metadata", "storage"]
_NO_IMAGES = "atl1"  # DigitalOcean's OpenAPI document does not list it among the regions of images.


def show_region(slug: str) -> dict[str, Any]:
    named = {"slug": slug, "name": catalogue.REGIONS[slug].name}
    return named | {"available": True, "features": _FEATURES, "sizes": list(SIZES)}


def show_size(size: Size, lacking: Collection[str] = ()) -> dict[str, Any]:
    regions = [slug for slug in catalogue.REGIONS if slug not in lacking]
    return asdict(size) | {"price_hourly": size.price_hourly, "regions": regions, "available": True}


def _sizes(call: Call) -> Reply:
    lacking = call.cloud.state.read().account.unavailable
    return page(call, "sizes", [show_size(size, lacking.get(slug, ())) for slug, size in SIZES.items()])


def show_image(image: Image) -> dict[str, Any]:
    return asdict(image) | {
        "public": True,
        "regions": [slug for slug in catalogue.REGIONS if slug != _NO_IMAGES],
        "min_disk_size": 7,
        "size_gigabytes": 1,
        "type": "base",
        "description": f"{image.distribution} {image.name}",
        "tags": [],
        "status": "available",
        "error_message": "",
    }


def show_droplet(call: Call, record: compute.Droplet) -> dict[str, Any]:
    """A Droplet. One that ended by itself is shown as off, one that is being switched not yet; a new one is locked."""
    size = SIZES[record.size]
    gone = record.status == "active" and not call.cloud.droplets.machine(record.id).running()
    tables = call.cloud.state.read()
    interfaces = (("private", record.private_address), ("public", record.public_address))
    return {
        "id": record.id,
        "name": record.name,
        "memory": size.memory,
        "vcpus": size.vcpus,
        "disk": record.disk_gib,
        "locked": record.status == "new",
        "status": "off" if gone and not pending(tables, record.id) else record.status,
        "kernel": None,
        "created_at": record.created_at,
        "features": list(record.features),
        "backup_ids": [],
        "next_backup_window": None,
        "snapshot_ids": [],
        "image": show_image(IMAGES[record.image]),
        "volume_ids": [item.id for item in tables.volumes.values() if item.droplet_id == record.id],
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


def show_volume(record: compute.Volume) -> dict[str, Any]:
    shown = record.model_dump(exclude={"size_gib", "droplet_id", "region"}, mode="json")
    return shown | {
        "size_gigabytes": record.size_gib,
        "droplet_ids": [] if record.droplet_id is None else [record.droplet_id],
        "region": show_region(record.region),
    }


def _image(call: Call) -> Reply:
    asked = call.param("id")
    for image in IMAGES.values():
        if asked in (image.slug, str(image.id)):
            return Reply(body={"image": show_image(image)})
    raise NotFound(f"There is no image {asked}. There are: {', '.join(IMAGES)}.")


ENDPOINTS: Routes = {
    "/v2/sizes": {"GET": _sizes},
    "/v2/regions": {"GET": lambda call: page(call, "regions", list(map(show_region, catalogue.REGIONS)))},
    "/v2/images": {"GET": lambda call: page(call, "images", list(map(show_image, IMAGES.values())))},
    "/v2/images/{id}": {"GET": _image},
}
