"""What the cloud sells to run Droplets: sizes and images.

Sources: the basic plans of DigitalOcean's price list; the price an hour is the price a month over 672 hours, its
documented cap. The images are those the local cloud can have; DigitalOcean's numbers for them change with every
update, so these are numbers of its own.
"""

from dataclasses import dataclass

_HOURS_A_MONTH = 672

MAX_USER_DATA = 65536
"""Bytes."""
MAX_VOLUMES = 15
"""Volumes a Droplet may have."""
MAX_VOLUME_GIB = 16384


@dataclass(frozen=True, kw_only=True)
class Size:
    """A plan of Droplets: memory in MiB, disk in GiB, transfer in TiB a month, price in US dollars a month."""

    slug: str
    vcpus: int
    memory: int
    disk: int
    transfer: float
    price_monthly: float
    description: str = "Basic"

    @property
    def price_hourly(self) -> float:
        return round(self.price_monthly / _HOURS_A_MONTH, 5)


SIZES = {
    size.slug: size
    for size in (
        Size(slug="s-1vcpu-512mb-10gb", vcpus=1, memory=512, disk=10, transfer=0.5, price_monthly=4),
        Size(slug="s-1vcpu-1gb", vcpus=1, memory=1024, disk=25, transfer=1, price_monthly=6),
        Size(slug="s-1vcpu-2gb", vcpus=1, memory=2048, disk=50, transfer=2, price_monthly=12),
        Size(slug="s-2vcpu-2gb", vcpus=2, memory=2048, disk=60, transfer=3, price_monthly=18),
        Size(slug="s-2vcpu-4gb", vcpus=2, memory=4096, disk=80, transfer=4, price_monthly=24),
        Size(slug="s-4vcpu-8gb", vcpus=4, memory=8192, disk=160, transfer=5, price_monthly=48),
        Size(slug="s-8vcpu-16gb", vcpus=8, memory=16384, disk=320, transfer=6, price_monthly=96),
    )
}


@dataclass(frozen=True, kw_only=True)
class Image:
    """An operating system that Droplets start from."""

    id: int
    slug: str
    name: str
    distribution: str
    created_at: str


IMAGES = {
    "debian-12-x64": Image(
        id=12000001, slug="debian-12-x64", name="12 x64", distribution="Debian", created_at="2023-06-10T00:00:00Z"
    )
}
