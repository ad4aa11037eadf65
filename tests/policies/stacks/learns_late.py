"""A trusted source that only `up` learns, and that is the whole internet then."""

from typing import Any

import pulumi
import pulumi_digitalocean as digitalocean
from pulumi import dynamic


class _Office(dynamic.ResourceProvider):
    def create(self, _props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult("office", {"range": "0.0.0.0/0"})


class Office(dynamic.Resource, module="office", name="Office"):
    """Knows from where people work."""

    range: pulumi.Output[str]


office = Office(_Office(), "office", {"range": None})
digitalocean.DatabaseFirewall(
    "late", cluster_id="4f6c71e2-1e90-4762-9fee-6cc4a0a9f2cf", rules=[{"type": "ip_addr", "value": office.range}]
)
