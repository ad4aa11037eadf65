"""/_local: the local cloud's own calls, for its command and for tests."""

import re
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any, Literal

from pydantic import Field

from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.errors import Unprocessable
from localcloud.faults import Fault, FaultKind
from localcloud.records import Account
from localcloud.spaces.addresses import ENDPOINT_TEMPLATE
from localcloud.spaces.lifecycle import sweep


class _Order(Body):
    method: str = "*"
    path: re.Pattern[str]
    times: int = Field(default=1, ge=1)
    fault: FaultKind
    seconds: float = 1.0


class _Account(Body):
    today: date | Literal[""]
    since: date | Literal[""]
    replication: bool
    subscriptions: bool
    unavailable: dict[str, tuple[str, ...]]


def _health(call: Call) -> Reply:
    call.cloud.fleet.look()
    tables = call.cloud.state.read()
    items: list[Any] = [*tables.clusters.values(), *tables.replicas.values(), *tables.droplets.values()]
    busy = call.cloud.fleet.busy() + call.cloud.droplets.busy()
    return Reply(
        body={
            "status": "starting" if busy else "ready",
            "jobs": busy,
            "failures": {
                item.name: item.failure or "a server of it ended and is started again"
                for item in items
                if item.failure or item.status == "restarting"
            },
        }
    )


def _parts(call: Call) -> Reply:
    return Reply(body={"parts": [{**asdict(part), "path": str(part.path)} for part in call.cloud.fleet.tools.parts()]})


def _get_account(call: Call) -> Reply:
    return Reply(body={"account": call.cloud.state.read().account.model_dump()})


def _post_account(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        tables.account = Account(**call.read(_Account, tables.account.model_dump()).model_dump(mode="json"))
    # What `doadmin` may do is the servers' business.
    call.cloud.fleet.settle_all()
    return _get_account(call)


def _journal(call: Call) -> Reply:
    text = call.query.get("since", "0")
    if not text.isdigit():
        raise Unprocessable(f"since {text}: not a number. Give the seq of the last entry you have, or 0.")
    return Reply(body={"entries": call.cloud.journal.since(int(text))})


def _order(call: Call) -> Reply:
    body = call.read(_Order)
    fault = Fault(method=body.method.upper(), path=body.path, times=body.times, kind=body.fault, seconds=body.seconds)
    call.cloud.faults.add(fault)
    return Reply(status=201, body={"fault": _show(fault, fault.times)})


def _orders(call: Call) -> Reply:
    return Reply(body={"faults": [_show(fault, left) for fault, left in call.cloud.faults.open()]})


def _clear(call: Call) -> Reply:
    call.cloud.faults.clear()
    # Whatever was stuck goes on now; settling what is settled already changes nothing.
    call.cloud.fleet.settle_all()
    call.cloud.droplets.settle_all()
    return NO_CONTENT


def _show(fault: Fault, left: int) -> dict[str, Any]:
    return {
        "id": fault.id,
        "method": fault.method,
        "path": fault.path.pattern,
        "fault": fault.kind,
        "times_left": left,
        "seconds": fault.seconds,
    }


class _Sweep(Body):
    at: datetime | None = None


def _endpoints(call: Call) -> Reply:
    return Reply(
        body={
            "api": call.base_url,
            **call.cloud.addresses,
            "authority": str(call.cloud.layout.trust),
            "spaces": {
                "path_style": call.base_url,
                "endpoint_template": ENDPOINT_TEMPLATE,
                "http_proxy": call.base_url,
            },
        }
    )


def _sweep(call: Call) -> Reply:
    at = call.read(_Sweep).at or datetime.now(UTC)
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return Reply(body={"at": at.isoformat(), "removed": sweep(call.cloud.spaces.store, at)})


ENDPOINTS: Routes = {
    "/_local/endpoints": {"GET": _endpoints},
    "/_local/spaces/sweep": {"POST": _sweep},
    "/_local/health": {"GET": _health},
    "/_local/account": {"GET": _get_account, "POST": _post_account},
    "/_local/parts": {"GET": _parts},
    "/_local/journal": {"GET": _journal},
    "/_local/faults": {"POST": _order, "GET": _orders, "DELETE": _clear},
}
