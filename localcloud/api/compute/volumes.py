"""/v2/volumes: disks that outlive Droplets."""

import re
import uuid
from collections.abc import Callable
from typing import Literal

from localcloud import machines
from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.collection import Collection
from localcloud.api.compute import actions, droplets
from localcloud.api.compute.catalogue import show_volume
from localcloud.api.databases import checks
from localcloud.api.errors import Conflict, NotImplementedHere, Unprocessable
from localcloud.compute import Volume
from localcloud.droplet_catalogue import MAX_VOLUME_GIB, MAX_VOLUMES
from localcloud.records import now
from localcloud.state import Tables

_NAME = re.compile(r"^[a-z][a-z0-9-]{0,63}$")
_MAX_LABEL = 16
"""Characters of an ext4 label."""


class _Create(Body):
    name: str
    size_gigabytes: int
    region: str | None = None
    description: str = ""
    filesystem_type: Literal["", "ext4", "xfs"] = ""
    filesystem_label: str = ""
    snapshot_id: str | None = None
    tags: list[str] | None = None


class _Order(Body):
    type: Literal["attach", "detach", "resize"]
    droplet_id: int | None = None
    size_gigabytes: int = 0


def _create(call: Call) -> Reply:
    body = call.read(_Create)
    if body.snapshot_id:
        raise NotImplementedHere("POST /v2/volumes with snapshot_id")
    if body.filesystem_type == "xfs":
        raise NotImplementedHere("volumes formatted with xfs; it has ext4")
    if len(body.filesystem_label) > _MAX_LABEL:
        raise Unprocessable(f"filesystem_label: {len(body.filesystem_label)} characters. Allowed: {_MAX_LABEL}.")
    with call.cloud.state.transaction() as tables:
        region = checks.region(body.region or "")
        volume = Volume(
            id=str(uuid.uuid4()),
            name=_checked_name(tables, body.name, region),
            region=region,
            size_gib=_checked_size(body.size_gigabytes),
            description=body.description,
            filesystem_type=body.filesystem_type,
            filesystem_label=body.filesystem_label,
            tags=checks.tags(body.tags),
            created_at=now(),
        )
        machines.Volume.create(
            call.cloud.layout.volume(volume.id),
            name=volume.name,
            gib=volume.size_gib,
            filesystem=volume.filesystem_type,
            label=volume.filesystem_label,
        )
        tables.volumes[volume.id] = volume
    return _VOLUMES.reply(call, volume, 201)


def _delete(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        volume = _VOLUMES.here(call, tables)
        if volume.droplet_id is not None:
            raise Conflict("Volume is still attached to one or more Droplets, please detach before trying again.")
        del tables.volumes[volume.id]
    machines.Volume.discard(call.cloud.layout.volume(volume.id))
    return NO_CONTENT


def _act(call: Call) -> Reply:
    order = call.read(_Order)
    volume = _VOLUMES.here(call, call.cloud.state.read())
    _TYPES[order.type](call, volume, order)
    with call.cloud.state.transaction() as tables:
        action = actions.record(tables, _VOLUMES.find(tables, volume.id), f"{order.type}_volume", "completed")
    return Reply(status=202, body={"action": actions.show(action)})


def _attach(call: Call, volume: Volume, order: _Order) -> None:
    tables = call.cloud.state.read()
    droplet = droplets.DROPLETS.find(tables, str(order.droplet_id))
    with call.cloud.droplets.guard(droplet.id):
        tables = call.cloud.state.read()
        droplets.check_attachable(_VOLUMES.find(tables, volume.id), droplet.region)
        if sum(item.droplet_id == droplet.id for item in tables.volumes.values()) >= MAX_VOLUMES:
            raise Unprocessable(f"The Droplet {droplet.name} has {MAX_VOLUMES} volumes, the most it may have.")
        machine = call.cloud.droplets.machine(droplet.id)
        # A machine that is off gets its volumes when it is switched on.
        if machine.running():
            machine.attach(call.cloud.droplets.volume(volume.id))
        with call.cloud.state.transaction() as tables:
            tables.volumes[volume.id] = _VOLUMES.find(tables, volume.id).model_copy(update={"droplet_id": droplet.id})


def _detach(call: Call, volume: Volume, order: _Order) -> None:
    if volume.droplet_id is None:
        # Done already: the official plugin asks once for an attachment and again for its Droplet.
        return
    if order.droplet_id not in (None, volume.droplet_id):
        raise Unprocessable(f"The volume {volume.name} is not attached to the Droplet {order.droplet_id}.")
    with call.cloud.droplets.guard(volume.droplet_id):
        disk = call.cloud.droplets.volume(volume.id)
        machine = call.cloud.droplets.machine(volume.droplet_id)
        if machine.running():
            machine.detach(disk)
        disk.detach()
        with call.cloud.state.transaction() as tables:
            tables.volumes[volume.id] = _VOLUMES.find(tables, volume.id).model_copy(update={"droplet_id": None})


def _resize(call: Call, volume: Volume, order: _Order) -> None:
    size = _checked_size(order.size_gigabytes)
    if size <= volume.size_gib:
        raise Unprocessable(f"size_gigabytes {size}: the volume has {volume.size_gib} already, and can only grow.")
    call.cloud.droplets.volume(volume.id).resize(size)
    with call.cloud.state.transaction() as tables:
        tables.volumes[volume.id] = _VOLUMES.find(tables, volume.id).model_copy(update={"size_gib": size})


_TYPES: dict[str, Callable[[Call, Volume, _Order], None]] = {"attach": _attach, "detach": _detach, "resize": _resize}


def _checked_name(tables: Tables, name: str, region: str) -> str:
    if not _NAME.match(name):
        raise Unprocessable(f"name {name!r}: allowed are up to 64 lower-case letters, digits, dashes, a letter first.")
    if any(volume.name == name and volume.region == region for volume in tables.volumes.values()):
        raise Conflict(f"name {name}: another volume in {region} has this name.")
    return name


def _checked_size(gib: int) -> int:
    if not 1 <= gib <= MAX_VOLUME_GIB:
        raise Unprocessable(f"size_gigabytes {gib}: allowed are 1 to {MAX_VOLUME_GIB}.")
    return gib


_VOLUMES = Collection[Volume](
    path="/v2/volumes",
    table=lambda tables: tables.volumes,
    root="volume",
    show=lambda _, volume: show_volume(volume),
    filters={"name": lambda volume: (volume.name,), "region": lambda volume: (volume.region,)},
)

ENDPOINTS: Routes = {**_VOLUMES.routes(_create, DELETE=_delete), "/v2/volumes/{id}/actions": {"POST": _act}}
