"""Alert policies."""

from collections.abc import Mapping
from typing import Any

from localcloud.alert_types import ALERT_TYPES
from localcloud.providers.digitalocean.tags import tags
from localcloud.providers.schema import Kind, Mode, ResourceType, boolean, nested, number, objects, text, texts


def _recipients_body(told: Mapping[str, Any]) -> dict[str, Any]:
    """Who is told. An empty list goes out as null."""
    slacks = [{"url": slack["url"], "channel": slack["channel"]} for slack in told.get("slacks") or []]
    return {"slack": slacks or None, "email": told.get("emails") or None}


_RECIPIENTS = (
    texts("emails", wire="email", keep_empty=True),
    objects("slacks", (text("channel", Mode.REQUIRED), text("url", Mode.REQUIRED)), wire="slack", keep_empty=True),
)

ALERT = ResourceType(
    token="digitalocean:index/monitorAlert:MonitorAlert",  # noqa: S106
    noun="alert policy",
    collection="/v2/monitoring/alerts",
    root="policy",
    update_method="PUT",
    identify=lambda _state, answer: str(answer["uuid"]),
    properties=(
        text("type", Mode.REQUIRED, choices=ALERT_TYPES),
        text("description", Mode.REQUIRED),
        text("compare", Mode.REQUIRED, choices=("GreaterThan", "LessThan")),
        number("value", Mode.REQUIRED, keep_empty=True, within=(0, float("inf"))),
        text("window", Mode.REQUIRED, choices=("5m", "10m", "30m", "1h")),
        texts("entities", Kind.SET, keep_empty=True),
        tags(keep_empty=True),
        nested("alerts", _RECIPIENTS, Mode.REQUIRED, encode=_recipients_body),
        boolean("enabled", default=True, keep_empty=True),
        # The official plugin never fills it: the id is what it would hold.
        text("uuid", Mode.COMPUTED, received=False),
    ),
)
