"""Alert policies, uptime checks and their alerts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.alert_types import ALERT_TYPES
from localcloud.providers.digitalocean.tags import tags
from localcloud.providers.schema import (
    Kind,
    Mode,
    Property,
    ResourceType,
    State,
    boolean,
    integer,
    nested,
    number,
    objects,
    text,
    texts,
)
from localcloud.providers.values import halves


def _or_null(values: list[Any]) -> list[Any] | None:
    return values or None


def _recipients() -> tuple[Property, ...]:
    """Who is told. An empty list goes out as null."""
    return (
        texts("emails", wire="email", keep_empty=True),
        objects("slacks", (text("channel", Mode.REQUIRED), text("url", Mode.REQUIRED)), wire="slack", keep_empty=True),
    )


def _recipients_body(told: Mapping[str, Any]) -> dict[str, Any]:
    slacks = [{"url": slack["url"], "channel": slack["channel"]} for slack in told.get("slacks") or []]
    return {"slack": _or_null(slacks), "email": _or_null(told.get("emails") or [])}


def _alert_id(_state: State, answer: Mapping[str, Any]) -> str:
    return str(answer["uuid"])


ALERT = ResourceType(
    token="digitalocean:index/monitorAlert:MonitorAlert",  # noqa: S106
    noun="alert policy",
    collection="/v2/monitoring/alerts",
    root="policy",
    update_method="PUT",
    identify=_alert_id,
    properties=(
        text("type", Mode.REQUIRED, choices=ALERT_TYPES),
        text("description", Mode.REQUIRED),
        text("compare", Mode.REQUIRED, choices=("GreaterThan", "LessThan")),
        number("value", Mode.REQUIRED, keep_empty=True, within=(0, float("inf"))),
        text("window", Mode.REQUIRED, choices=("5m", "10m", "30m", "1h")),
        texts("entities", Kind.SET, keep_empty=True),
        tags(keep_empty=True),
        nested("alerts", _recipients(), Mode.REQUIRED, encode=_recipients_body),
        boolean("enabled", default=True, keep_empty=True),
        # The official plugin never fills it: the id is what it would hold.
        text("uuid", Mode.COMPUTED, received=False),
    ),
)

UPTIME_CHECK = ResourceType(
    token="digitalocean:index/uptimeCheck:UptimeCheck",  # noqa: S106
    noun="uptime check",
    collection="/v2/uptime/checks",
    root="check",
    update_method="PUT",
    properties=(
        text("name", Mode.REQUIRED, autonamed=True),
        text("type", default="https", choices=("ping", "http", "https")),
        text("target", Mode.REQUIRED),
        texts("regions", Kind.SET, keep_empty=True, encode=_or_null),
        boolean("enabled", default=True, keep_empty=True),
    ),
)


def _adopt_uptime_alert(identity: str) -> State:
    check, alert = halves(identity, ",", "the ids of the check and the alert", "CHECK,ALERT")
    return {"id": alert, "checkId": check}


UPTIME_ALERT = ResourceType(
    token="digitalocean:index/uptimeAlert:UptimeAlert",  # noqa: S106
    noun="uptime alert",
    collection="/v2/uptime/checks/{checkId}/alerts",
    root="alert",
    update_method="PUT",
    adopt=_adopt_uptime_alert,
    properties=(
        text("checkId", Mode.REQUIRED, sent=False, received=False),
        text("name", Mode.REQUIRED, autonamed=True),
        text("type", Mode.REQUIRED, choices=("latency", "down", "down_global", "ssl_expiry")),
        integer("threshold", keep_empty=True),
        text("comparison", keep_empty=True, choices=("greater_than", "less_than")),
        objects(
            "notifications",
            _recipients(),
            mode=Mode.REQUIRED,
            single=True,
            encode=lambda given: _recipients_body(given[0]) if given else None,
        ),
        text("period", keep_empty=True, choices=("2m", "3m", "5m", "10m", "15m", "30m", "1h")),
    ),
)
