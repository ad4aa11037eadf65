"""/v2/actions: what was asked of Droplets and volumes, and how far it is."""

import secrets
from typing import Any, Literal

from localcloud.api.call import Call, Reply, Routes
from localcloud.api.compute.catalogue import show_region
from localcloud.api.errors import NotFound
from localcloud.compute import Action, Droplet, Volume
from localcloud.records import now
from localcloud.state import Tables

_SMALLEST, _RANGE = 100_000_000, 900_000_000


def new_number(taken: dict[str, Any]) -> int:
    """An id that nothing in this table has; nine digits, as DigitalOcean's are."""
    while str(number := _SMALLEST + secrets.randbelow(_RANGE)) in taken:
        pass
    return number


def record(
    tables: Tables, of: Droplet | Volume, type: str, status: Literal["in-progress", "completed"] = "in-progress"
) -> Action:
    """Notes an action, under way or done."""
    action = Action(
        id=new_number(tables.actions),
        type=type,
        resource_type="droplet" if isinstance(of, Droplet) else "volume",
        resource_id=of.id if isinstance(of, Droplet) else None,
        region=of.region,
        status=status,
        started_at=now(),
        completed_at=now() if status == "completed" else "",
    )
    tables.actions[str(action.id)] = action
    return action


def show(action: Action) -> dict[str, Any]:
    return action.model_dump(exclude={"region", "completed_at"}) | {
        "completed_at": action.completed_at or None,
        "region": show_region(action.region),
        "region_slug": action.region,
    }


def _get(call: Call) -> Reply:
    try:
        return Reply(body={"action": show(call.cloud.state.read().actions[call.param("action")])})
    except KeyError:
        raise NotFound(f"There is no action {call.param('action')}.") from None


ENDPOINTS: Routes = {
    path: {"GET": _get}
    for path in ("/v2/actions/{action}", "/v2/droplets/{id}/actions/{action}", "/v2/volumes/{id}/actions/{action}")
}
