"""What a resource costs a month."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trellis.settings.catalogue import (
    APP_SIZES,
    PLANS,
    SPACES_MONTHLY_USD,
    STORAGE_GIB_MONTHLY_USD,
    STORAGE_STEP_GIB,
    VOLUME_GIB_MONTHLY_USD,
    Edition,
    monthly_usd,
)

from .fields import Fields
from .kinds import APP, BUCKET, CLUSTER, DROPLET, DROPLET_AUTOSCALE, KUBERNETES, NODE_POOL, REPLICA, VOLUME

# The lists of components in an app's spec.
APP_PARTS = ("services", "workers", "jobs", "functions", "staticSites")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line of a bill. usd: US dollars a month for all of them; None where no price is known."""

    size: str
    number: int
    usd: float | None


def dollars(usd: float) -> str:
    """An amount as a bill shows it."""
    return f"{'-' if usd < 0 else ''}${abs(usd):.2f}".removesuffix(".00")


def told(prices: Mapping[str, float]) -> Mapping[str, float]:
    """Those prices that a stack may tell of itself: none below the catalogue's, which the pack's config alone may."""
    return {size: usd for size, usd in prices.items() if usd >= (monthly_usd(size, {}) or 0)}


def bills(resources: Iterable[tuple[str, Fields]], prices: Mapping[str, float]) -> Iterator[list[Item]]:
    """What each resource, a type and its properties, adds to the bill, in their order.

    Nothing for types that cost nothing, nor for a size not yet known. Spaces are paid for once, with the first bucket.
    prices: size -> US dollars a month, before the catalogue's.
    """
    spaces = [Item(size="Spaces", number=1, usd=SPACES_MONTHLY_USD)]
    for kind, fields in resources:
        # One that a preview has not yet, or no more, has neither.
        if kind == BUCKET and (fields.has("name") or fields.has("region")):
            yield spaces
            spaces = []
        else:
            yield list(_items(kind, fields, prices))


def _items(kind: str, fields: Fields, prices: Mapping[str, float]) -> Iterator[Item]:
    if kind in (CLUSTER, REPLICA, DROPLET) and (size := fields.get("size")):
        number = int(fields.get("nodeCount") or 1) if kind == CLUSTER else 1
        advanced = kind == CLUSTER and fields.peek("engine") == Edition.ADVANCED.engine
        edition = Edition.ADVANCED if advanced else Edition.STANDARD
        yield Item(size=size, number=number, usd=monthly_usd(size, prices, number, edition))
        # Not asked for, it is the plan's, and `up` tells it.
        plan, asked = PLANS.get(size), fields.peek("storageSizeMib")
        if plan and asked and (more := int(asked) // 1024 - plan.storage_gib) > 0:
            billed = -(-more // STORAGE_STEP_GIB) * STORAGE_STEP_GIB
            usd = round(number * billed * STORAGE_GIB_MONTHLY_USD, 2)
            yield Item(size=f"{billed} GiB more", number=number, usd=usd)
    elif kind in (DROPLET_AUTOSCALE, KUBERNETES, NODE_POOL):
        yield from _groups(kind, fields, prices)
    elif kind == VOLUME and (gib := fields.get("size")):
        yield Item(size=f"{gib:g} GiB", number=1, usd=gib * VOLUME_GIB_MONTHLY_USD)
    elif kind == APP:
        for part in APP_PARTS:
            for component in fields.object("spec").objects(part):
                # Left out, it is the smallest; a static site costs nothing.
                size = component.get("instanceSizeSlug") if component.has("instanceSizeSlug") else next(iter(APP_SIZES))
                if size and part not in ("functions", "staticSites"):
                    number = int(_most(component) or 1)
                    yield Item(size=size, number=number, usd=monthly_usd(size, prices, number))


def _groups(kind: str, fields: Fields, prices: Mapping[str, float]) -> Iterator[Item]:
    """Machines that are made from a template, as many as there may be."""
    if kind == DROPLET_AUTOSCALE:
        config, template = fields.object("config"), fields.object("dropletTemplate")
        number = config.get("maxInstances") or config.get("targetNumberInstances")
    else:
        template = fields.object("nodePool") if kind == KUBERNETES else fields
        number = template.get("maxNodes") if template.get("autoScale") else template.get("nodeCount")
    if size := template.get("size"):
        yield Item(size=size, number=int(number or 1), usd=monthly_usd(size, prices, int(number or 1)))


def _most(component: Fields) -> Any:
    """How many instances a component may have."""
    scaled = component.object("autoscaling") if component.has("autoscaling") else None
    return scaled.get("maxInstanceCount") if scaled else component.get("instanceCount")
