"""/v2/uptime: checks of a URL and their alerts. What is on this machine is asked by `alerts`."""

import uuid
from collections.abc import Callable
from typing import Any, Literal

from localcloud.api.call import Body, Call, Routes
from localcloud.api.collection import Collection
from localcloud.api.errors import Unprocessable
from localcloud.api.notifications import Destinations
from localcloud.records import UptimeAlert, UptimeCheck
from localcloud.state import Tables

_Region = Literal["us_east", "us_west", "eu_west", "se_asia"]


class _Check(Body):
    name: str
    target: str
    type: Literal["ping", "http", "https"] | None = None
    regions: list[_Region] | None = None
    enabled: bool = True


class _Alert(Body):
    name: str
    type: Literal["latency", "down", "down_global", "ssl_expiry"]
    threshold: int | None = None
    comparison: Literal["greater_than", "less_than", ""] | None = None
    period: Literal["2m", "3m", "5m", "10m", "15m", "30m", "1h", ""] | None = None
    notifications: Destinations


def _check(call: Call, _tables: Tables, old: UptimeCheck | None) -> UptimeCheck:
    body = call.read(_Check)
    kind = body.type or ("https" if body.target.startswith("https://") else "http")
    if kind != "ping" and not body.target.startswith(f"{kind}://"):
        raise Unprocessable(f"target {body.target}: a check of the type {kind} needs a target that starts {kind}://.")
    id = old.id if old else str(uuid.uuid4())
    return UptimeCheck(**body.model_dump() | {"id": id, "type": kind, "regions": body.regions or ["us_east"]})


def _alert(call: Call, tables: Tables, old: UptimeAlert | None) -> UptimeAlert:
    body = call.read(_Alert)
    id = old.id if old else str(uuid.uuid4())
    kept: dict[str, Any] = {
        "id": id,
        "check_id": CHECKS.here(call, tables).id,
        "notifications": body.notifications.shown(),
    }
    given: dict[str, Any] = {name: None if value == "" else value for name, value in body.model_dump().items()}
    return UptimeAlert(**given | kept)


def _alerts_of(call: Call, tables: Tables) -> Callable[[UptimeAlert], bool]:
    check = CHECKS.here(call, tables)
    return lambda alert: alert.check_id == check.id


def _delete_alerts(_call: Call, tables: Tables, check: UptimeCheck) -> None:
    for alert in [item for item in tables.uptime_alerts.values() if item.check_id == check.id]:
        del tables.uptime_alerts[alert.id]


CHECKS = Collection[UptimeCheck](
    path="/v2/uptime/checks",
    table=lambda tables: tables.uptime_checks,
    root="check",
    noun="uptime check",
    make=_check,
    let_go=_delete_alerts,
)
_ALERTS = Collection[UptimeAlert](
    path="/v2/uptime/checks/{id}/alerts",
    param="alert_id",
    table=lambda tables: tables.uptime_alerts,
    root="alert",
    noun="uptime alert",
    show=lambda _, alert: alert.model_dump(mode="json", exclude={"check_id"}, exclude_none=True),
    make=_alert,
    among=_alerts_of,
)

ENDPOINTS: Routes = {**CHECKS.routes(), **_ALERTS.routes()}
