"""DNS names that lead to apps."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_cloudflare as cloudflare

from .lookups import ends_plainly

AUTOMATIC_TTL = 1


@dataclass(frozen=True, kw_only=True)
class RecordArgs:
    """target: where it leads. host: the full name, by default the key. proxied: whether Cloudflare stands in front."""

    target: pulumi.Input[str]
    host: pulumi.Input[str] | None = None
    proxied: pulumi.Input[bool] = True


@dataclass(frozen=True, kw_only=True)
class DnsArgs:
    """zone: its name, which must exist at Cloudflare. records: what the resource is called -> a name and its target."""

    zone: str
    records: Mapping[str, RecordArgs]


class Dns(pulumi.ComponentResource):
    """Creates one CNAME record a name in an existing zone. Cloudflare flattens the one at the zone's apex."""

    def __init__(self, name: str, args: DnsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:dns:Dns", name, None, opts)
        zone = cloudflare.get_zone_output(
            filter=cloudflare.GetZoneFilterArgs(match="all", name=args.zone),
            opts=pulumi.InvokeOutputOptions(parent=self),
        ).recover(ends_plainly(f"the zone {args.zone}"))
        for key, record in args.records.items():
            cloudflare.DnsRecord(
                f"{name}-{key}",
                zone_id=zone.zone_id,
                name=record.host or key,
                type="CNAME",
                content=record.target,
                proxied=record.proxied,
                ttl=AUTOMATIC_TTL,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({"zone_id": zone.zone_id})
