"""Where things are and what they are called."""

import re
from collections.abc import Iterator

from pulumi_policy import Severity

from trellis.settings.catalogue import REGIONS

from .kinds import (
    APP,
    BUCKET,
    CLUSTER,
    DATABASE,
    DROPLET,
    KUBERNETES,
    LOAD_BALANCER,
    NFS,
    POOL,
    REPLICA,
    USER,
    VOLUME,
    VPC,
)
from .resources import Resource
from .rules import Config, ResourceRule, Rule

# DigitalOcean's own limits, from its API's description; what they leave open is lower case.
NAMES = {
    APP: r"[a-z][a-z0-9-]{0,30}[a-z0-9]",
    BUCKET: r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    CLUSTER: r"[a-z][a-z0-9-]{0,61}[a-z0-9]",
    DATABASE: r"[a-z_][a-z0-9_-]{0,62}",
    POOL: r"[a-z_][a-z0-9_-]{0,62}",
    REPLICA: r"[a-z][a-z0-9-]{0,61}[a-z0-9]",
    USER: r"[a-z_][a-z0-9_-]{0,62}",
    VPC: r"[a-z0-9][a-z0-9.-]*",
}


def _region(resource: Resource, config: Config) -> Iterator[str]:
    fields = resource.fields.object("spec") if resource.type == APP else resource.fields
    region = fields.get("region")
    allowed = sorted(config["regions"])
    # App Platform names a city, the others a data centre in it.
    if resource.type == APP:
        allowed = sorted({name.rstrip("0123456789") for name in allowed})
    if region and region not in allowed:
        yield f"{resource.called} is in {region}; allowed: {', '.join(allowed)}."


def _tags(resource: Resource, config: Config) -> Iterator[str]:
    tags = resource.fields.values("tags")
    if not resource.fields.has("tags"):
        yield f"{resource.called} has no tag."
        return
    # A tag that is not known yet may be the one that is asked for.
    if resource.fields.waiting:
        return
    missing = [start for start in config["required"] if not any(str(tag).startswith(start) for tag in tags)]
    if missing:
        yield f"{resource.called} has no tag that begins with {', '.join(missing)}."


def _name(resource: Resource, _config: Config) -> Iterator[str]:
    fields = resource.fields.object("spec") if resource.type == APP else resource.fields
    name = fields.get("name")
    if name and not re.fullmatch(NAMES[resource.type], name):
        yield f"{name!r} does not match {NAMES[resource.type]}."


RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="region-allowed",
        protects="Data in another country is another law; a part in another region is outside the VPC.",
        fix="Use an allowed region, or add it to regions in the pack's config.",
        source="https://docs.digitalocean.com/platform/regional-availability/",
        severity=Severity.HIGH,
        types=frozenset({APP, BUCKET, CLUSTER, DROPLET, KUBERNETES, LOAD_BALANCER, NFS, REPLICA, VOLUME, VPC}),
        check=_region,
        config={
            "regions": {
                "type": "array",
                "items": {"type": "string"},
                "default": sorted(REGIONS),
                "description": "Region slugs, such as nyc1.",
            }
        },
    ),
    ResourceRule(
        name="required-tags",
        protects="Nobody can tell whose bill it is, or what may be deleted.",
        fix="Set tags.",
        source="https://docs.digitalocean.com/reference/api/reference/tags/",
        severity=Severity.LOW,
        mandatory=False,
        types=frozenset({CLUSTER, DROPLET}),
        check=_tags,
        config={
            "required": {
                "type": "array",
                "items": {"type": "string"},
                "default": [],
                "description": "How tags begin that must be there, such as stack:. Without any, one tag is enough.",
            }
        },
    ),
    ResourceRule(
        name="names",
        protects="DigitalOcean refuses a name halfway through `up`; upper case must be quoted in SQL for ever.",
        fix="Use lower-case letters, digits and hyphens.",
        source="https://docs.digitalocean.com/reference/api/",
        severity=Severity.LOW,
        types=frozenset(NAMES),
        check=_name,
    ),
)
