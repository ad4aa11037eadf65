"""Volumes, and their attachment to Droplets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.providers.context import Context
from localcloud.providers.digitalocean.actions import act_and_wait
from localcloud.providers.digitalocean.database_parts import unique_id
from localcloud.providers.digitalocean.tags import set_tags, tags
from localcloud.providers.http import quoted
from localcloud.providers.operations import GoneError, fill
from localcloud.providers.planning import Plan
from localcloud.providers.schema import Kind, Mode, ResourceType, State, each, integer, text, texts

PENDING_TIMEOUT_SECONDS = 5 * 60.0
_FILESYSTEMS = ("ext4", "xfs")


def _body(plan: Plan) -> dict[str, Any]:
    return {
        "region": plan.get("region").lower(),
        "name": plan.get("name"),
        "description": plan.get("description"),
        "size_gigabytes": plan.get("size"),
        "snapshot_id": plan.get("snapshotId"),
        "filesystem_type": plan.get("initialFilesystemType") or plan.get("filesystemType"),
        "filesystem_label": plan.get("initialFilesystemLabel"),
        "tags": plan.get("tags"),
    }


def _update(context: Context, plan: Plan) -> None:
    if plan.changed("size"):
        if plan.get("size") < plan.was("size"):
            raise ValueError("volumes `size` can only be expanded and not shrunk")
        order = {"type": "resize", "size_gigabytes": plan.get("size"), "region": plan.get("region").lower()}
        act_and_wait(context, fill(VOLUME.item, plan.state), order)
    if plan.changed("tags"):
        set_tags(context, plan, "volume")


def _finish(_context: Context, state: State, answer: Mapping[str, Any]) -> None:
    state["region"] = answer["region"]["slug"]
    state["volumeUrn"] = f"do:volume:{state['id']}"
    for name in ("description", "filesystem_type", "filesystem_label"):
        if answer.get(name):
            state[VOLUME_NAMES[name]] = answer[name]


VOLUME_NAMES = {
    "description": "description",
    "filesystem_type": "filesystemType",
    "filesystem_label": "filesystemLabel",
}

VOLUME = ResourceType(
    token="digitalocean:index/volume:Volume",  # noqa: S106
    noun="volume",
    collection="/v2/volumes",
    root="volume",
    properties=(
        text("name", Mode.REQUIRED, autonamed=True, replace=True),
        text("region", Mode.REQUIRED, replace=True, normalise=str.lower, received=False),
        integer("size", Mode.REQUIRED, wire="size_gigabytes", within=(1, 16384)),
        *each(text, "description snapshotId", replace=True, received=False),
        text("initialFilesystemType", replace=True, choices=_FILESYSTEMS, received=False),
        text("initialFilesystemLabel", replace=True, received=False),
        text("filesystemType", Mode.OPTIONAL_COMPUTED, choices=_FILESYSTEMS, received=False),
        text("filesystemLabel", Mode.COMPUTED, received=False),
        texts("dropletIds", Kind.SET, Mode.COMPUTED, of=Kind.INTEGER),
        text("volumeUrn", Mode.COMPUTED, received=False),
        tags(),
    ),
    body=_body,
    finish=_finish,
    update=_update,
)


def _attached(context: Context, state: Mapping[str, Any]) -> bool:
    volume = context.api.get(f"/v2/volumes/{quoted(state['volumeId'])}")["volume"]
    return list(volume.get("droplet_ids") or [])[:1] == [state["dropletId"]]


def _order(context: Context, state: Mapping[str, Any], kind: str) -> None:
    """A Droplet does one thing at a time: while it is busy it says so, and is asked again."""
    order = {"type": kind, "droplet_id": state["dropletId"]}
    context.insist(
        f"the Droplet {state['dropletId']} to finish what it is doing",
        lambda: act_and_wait(context, f"/v2/volumes/{quoted(state['volumeId'])}", order),
        lambda error: error.status == 422 and "pending event" in str(error),
        interval=1.0,
        timeout=PENDING_TIMEOUT_SECONDS,
    )


def _attach(context: Context, plan: Plan) -> tuple[str, Mapping[str, Any]]:
    if not _attached(context, plan.state):
        _order(context, plan.state, "attach")
    return unique_id(f"{plan.get('dropletId')}-{plan.get('volumeId')}-"), {}


def _read_attachment(context: Context, state: State) -> Mapping[str, Any]:
    if not _attached(context, state):
        raise GoneError
    return {}


ATTACHMENT = ResourceType(
    token="digitalocean:index/volumeAttachment:VolumeAttachment",  # noqa: S106
    noun="volume attachment",
    properties=(integer("dropletId", Mode.REQUIRED, replace=True), text("volumeId", Mode.REQUIRED, replace=True)),
    create=_attach,
    read=_read_attachment,
    delete=lambda context, state: _order(context, state, "detach"),
    received=False,
)
