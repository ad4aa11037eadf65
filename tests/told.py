"""Who is told of alerts in a production stack of a system whose file names nobody."""

import json
from collections.abc import Mapping

_ROLES = {"villa": (), "tudao": ("on-call", "database-admin")}


def told(system: str) -> Mapping[str, str]:
    """The key for a stack's config, as Pulumi hands it over."""
    return {"trellis:contacts": json.dumps({role: ["ops@trellis.dev"] for role in _ROLES.get(system, ("on-call",))})}
