"""Volumes."""

from collections.abc import Mapping
from typing import Any

from localcloud.providers.context import Context
from localcloud.providers.digitalocean.actions import act_and_wait
from localcloud.providers.digitalocean.tags import set_tags, tags
from localcloud.providers.operations import fill
from localcloud.providers.planning import Plan
from localcloud.providers.schema import Kind, Mode, ResourceType, State, each, integer, text, texts

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
