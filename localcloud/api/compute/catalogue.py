"""/v2/sizes, /v2/images and /v2/regions: what Droplets can be and where."""

from typing import Any

from localcloud import catalogue
from localcloud.api.call import Call, Reply, Routes
from localcloud.api.errors import NotFound
from localcloud.api.paging import page
from localcloud.droplet_catalogue import IMAGES, SIZES, Image, Size

_FEATURES = ["private_networking", "metadata", "storage"]
_NO_IMAGES = "atl1"
"""DigitalOcean's OpenAPI document does not list it among the regions of images."""


def show_region(slug: str) -> dict[str, Any]:
    return {
        "slug": slug,
        "name": catalogue.REGIONS[slug].name,
        "available": True,
        "features": _FEATURES,
        "sizes": list(SIZES),
    }


def show_size(size: Size) -> dict[str, Any]:
    return {
        "slug": size.slug,
        "memory": size.memory,
        "vcpus": size.vcpus,
        "disk": size.disk,
        "transfer": size.transfer,
        "price_monthly": size.price_monthly,
        "price_hourly": size.price_hourly,
        "regions": list(catalogue.REGIONS),
        "available": True,
        "description": size.description,
    }


def show_image(image: Image) -> dict[str, Any]:
    return {
        "id": image.id,
        "slug": image.slug,
        "name": image.name,
        "distribution": image.distribution,
        "public": True,
        "regions": [slug for slug in catalogue.REGIONS if slug != _NO_IMAGES],
        "created_at": image.created_at,
        "min_disk_size": 7,
        "size_gigabytes": 1,
        "type": "base",
        "description": f"{image.distribution} {image.name}",
        "tags": [],
        "status": "available",
        "error_message": "",
    }


def _sizes(call: Call) -> Reply:
    return page(call, "sizes", [show_size(size) for size in SIZES.values()])


def _regions(call: Call) -> Reply:
    return page(call, "regions", [show_region(slug) for slug in catalogue.REGIONS])


def _images(call: Call) -> Reply:
    return page(call, "images", [show_image(image) for image in IMAGES.values()])


def _image(call: Call) -> Reply:
    asked = call.param("id")
    for image in IMAGES.values():
        if asked in (image.slug, str(image.id)):
            return Reply(body={"image": show_image(image)})
    raise NotFound(f"There is no image {asked}. There are: {', '.join(IMAGES)}.")


ENDPOINTS: Routes = {
    "/v2/sizes": {"GET": _sizes},
    "/v2/regions": {"GET": _regions},
    "/v2/images": {"GET": _images},
    "/v2/images/{id}": {"GET": _image},
}
