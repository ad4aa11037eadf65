"""What a resource costs a month."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trellis.settings.catalogue import DROPLETS, PLANS, VOLUME_GIB_MONTHLY_USD

from .fields import Fields
from .kinds import APP, CLUSTER, DROPLET, REPLICA, VOLUME

# The lists of components in an app's spec.
APP_PARTS = ("services", "workers", "jobs", "functions", "staticSites")

_CATALOGUE: Mapping[str, Mapping[str, float]] = {
    CLUSTER: {slug: plan.monthly_usd for slug, plan in PLANS.items()},
    REPLICA: {slug: plan.replica_monthly_usd for slug, plan in PLANS.items()},
    DROPLET: {slug: size.monthly_usd for slug, size in DROPLETS.items()},
}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line of a bill. usd: US dollars a month for all of them; None where no price is known."""

    size: str
    number: int
    usd: float | None


def bill(kind: str, fields: Fields, prices: Mapping[str, float]) -> Iterator[Item]:
    """What a resource of a type adds to the bill: nothing for types that cost nothing, nor for a size not yet known.

    prices: size -> US dollars a month, before the catalogue's. Apps are counted where `prices` names their instance
    sizes, for the catalogue has none of them.
    """
    if kind in _CATALOGUE and (size := fields.get("size")):
        number = int(fields.get("nodeCount") or 1) if kind == CLUSTER else 1
        price = prices.get(size, _CATALOGUE[kind].get(size))
        yield Item(size=size, number=number, usd=None if price is None else price * number)
    elif kind == VOLUME and (gib := fields.get("size")):
        yield Item(size=f"{gib:g} GiB", number=1, usd=gib * VOLUME_GIB_MONTHLY_USD)
    elif kind == APP:
        for part in APP_PARTS:
            for component in fields.object("spec").objects(part):
                size = component.get("instanceSizeSlug")
                if size in prices:
                    number = int(component.get("instanceCount") or 1)
                    yield Item(size=size, number=number, usd=prices[size] * number)
