"""/v2/uptime: checks of a URL and their alerts. They are checked and kept; no request is made, nothing is sent."""

import uuid
from typing import Any, Literal

from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.collection import Collection
from localcloud.api.errors import NotFound, Unprocessable
from localcloud.api.notifications import Destinations
from localcloud.api.paging import page
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


def _to_check(body: _Check, id: str) -> UptimeCheck:
    kind = body.type or ("https" if body.target.startswith("https://") else "http")
    if kind != "ping" and not body.target.startswith(f"{kind}://"):
        raise Unprocessable(f"target {body.target}: a check of the type {kind} needs a target that starts {kind}://.")
    return UptimeCheck(
        id=id,
        name=body.name,
        type=kind,
        target=body.target,
        regions=tuple(body.regions or ("us_east",)),
        enabled=body.enabled,
    )


def _to_alert(body: _Alert, check_id: str, id: str) -> UptimeAlert:
    return UptimeAlert(
        id=id,
        check_id=check_id,
        name=body.name,
        type=body.type,
        threshold=body.threshold,
        comparison=body.comparison or None,
        period=body.period or None,
        notifications=body.notifications.shown(),
    )


_CHECKS = Collection[UptimeCheck](
    path="/v2/uptime/checks",
    table=lambda tables: tables.uptime_checks,
    root="check",
    roots="checks",
    noun="uptime check",
    show=lambda check: check.model_dump(mode="json"),
)


def _create(call: Call) -> Reply:
    check = _to_check(call.read(_Check), str(uuid.uuid4()))
    with call.cloud.state.transaction() as tables:
        tables.uptime_checks[check.id] = check
    return _CHECKS.reply(check, 201)


def _update(call: Call) -> Reply:
    body = call.read(_Check)
    with call.cloud.state.transaction() as tables:
        check = _to_check(body, _CHECKS.find(tables, call.param("id")).id)
        tables.uptime_checks[check.id] = check
    return _CHECKS.reply(check)


def _delete(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        check = _CHECKS.find(tables, call.param("id"))
        del tables.uptime_checks[check.id]
        for alert in [item for item in tables.uptime_alerts.values() if item.check_id == check.id]:
            del tables.uptime_alerts[alert.id]
    return NO_CONTENT


def _create_alert(call: Call) -> Reply:
    body = call.read(_Alert)
    with call.cloud.state.transaction() as tables:
        alert = _to_alert(body, _CHECKS.find(tables, call.param("id")).id, str(uuid.uuid4()))
        tables.uptime_alerts[alert.id] = alert
    return Reply(status=201, body={"alert": _show(alert)})


def _list_alerts(call: Call) -> Reply:
    tables = call.cloud.state.read()
    check = _CHECKS.find(tables, call.param("id"))
    return page(call, "alerts", [_show(item) for item in tables.uptime_alerts.values() if item.check_id == check.id])


def _get_alert(call: Call) -> Reply:
    return Reply(body={"alert": _show(_find_alert(call.cloud.state.read(), call))})


def _update_alert(call: Call) -> Reply:
    body = call.read(_Alert)
    with call.cloud.state.transaction() as tables:
        current = _find_alert(tables, call)
        alert = _to_alert(body, current.check_id, current.id)
        tables.uptime_alerts[alert.id] = alert
    return Reply(body={"alert": _show(alert)})


def _delete_alert(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        del tables.uptime_alerts[_find_alert(tables, call).id]
    return NO_CONTENT


def _find_alert(tables: Tables, call: Call) -> UptimeAlert:
    check = _CHECKS.find(tables, call.param("id"))
    alert = tables.uptime_alerts.get(call.param("alert_id"))
    if alert is None or alert.check_id != check.id:
        raise NotFound(f"The uptime check {check.name} has no alert with the id {call.param('alert_id')}.")
    return alert


def _show(alert: UptimeAlert) -> dict[str, Any]:
    return alert.model_dump(mode="json", exclude={"check_id"}, exclude_none=True)


ENDPOINTS: Routes = {
    **_CHECKS.routes(_create, PUT=_update, DELETE=_delete),
    "/v2/uptime/checks/{id}/alerts": {"POST": _create_alert, "GET": _list_alerts},
    "/v2/uptime/checks/{id}/alerts/{alert_id}": {"GET": _get_alert, "PUT": _update_alert, "DELETE": _delete_alert},
}
