"""/v2/droplets/{id}/actions: switching Droplets on and off, resizing and renaming them."""

from collections.abc import Callable
from typing import Any

from localcloud.api.call import Body, Call, Reply, Routes
from localcloud.api.compute import actions, droplets
from localcloud.api.errors import NotImplementedHere, Unprocessable
from localcloud.compute import Droplet
from localcloud.droplets import pending

_Changes = dict[str, Any]


class _Order(Body):
    type: str
    size: str = ""
    disk: bool = False
    name: str = ""


def _power_on(droplet: Droplet, _order: _Order) -> _Changes:
    if droplet.status == "active":
        raise Unprocessable("Droplet is already powered on.")
    return {"on": True}


def _power_off(droplet: Droplet, _order: _Order) -> _Changes:
    if droplet.status == "off":
        raise Unprocessable("Droplet is already powered off.")
    return {"on": False}


def _shutdown(_droplet: Droplet, _order: _Order) -> _Changes:
    return {"on": False}


def _resize(droplet: Droplet, order: _Order) -> _Changes:
    size = droplets.size(order.size)
    if droplet.status != "off":
        raise Unprocessable("Droplet must be powered off before it can be resized.")
    if size.disk < droplet.disk_gib:
        raise Unprocessable(f"size {size.slug}: its disk of {size.disk} GB is smaller than the Droplet's.")
    return {"size": size.slug} | ({"disk_gib": size.disk} if order.disk else {})


def _rename(_droplet: Droplet, order: _Order) -> _Changes:
    return {"name": droplets.name(order.name)}


_TYPES: dict[str, Callable[[Droplet, _Order], _Changes]] = {
    "power_on": _power_on,
    "power_off": _power_off,
    "shutdown": _shutdown,
    "resize": _resize,
    "rename": _rename,
}


def _act(call: Call) -> Reply:
    order = call.read(_Order)
    if order.type not in _TYPES:
        raise NotImplementedHere(f"the Droplet action {order.type}; it has {', '.join(_TYPES)}")
    with call.cloud.state.transaction() as tables:
        droplet = droplets.DROPLETS.here(call, tables)
        if pending(tables, droplet.id):
            raise Unprocessable("Droplet already has a pending event.")
        changes = _TYPES[order.type](droplet, order)
        tables.droplets[str(droplet.id)] = droplet.model_copy(update=changes)
        action = actions.record(tables, droplet, order.type)
    call.cloud.droplets.settle(droplet.id)
    return Reply(status=201, body={"action": actions.show(action)})


ENDPOINTS: Routes = {"/v2/droplets/{id}/actions": {"POST": _act}}
