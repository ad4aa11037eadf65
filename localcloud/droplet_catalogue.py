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


@dataclass(frozen=True)
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


_PLANS = """
s-1vcpu-512mb-10gb 1 512 10 0.5 4; s-1vcpu-1gb 1 1024 25 1 6; s-1vcpu-2gb 1 2048 50 2 12; s-2vcpu-2gb 2 2048 60 3 18
s-2vcpu-4gb 2 4096 80 4 24; s-4vcpu-8gb 4 8192 160 5 48; s-8vcpu-16gb 8 16384 320 6 96
"""
SIZES = {
    slug: Size(slug, int(vcpus), int(memory), int(disk), float(transfer), float(price))
    for slug, vcpus, memory, disk, transfer, price in map(str.split, _PLANS.strip().replace("\n", ";").split(";"))
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
