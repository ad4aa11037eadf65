"""Droplets: waited for until they are active, resized while they are off."""

import hashlib
from collections.abc import Mapping
from typing import Any

from localcloud.providers.context import Context
from localcloud.providers.digitalocean.actions import act, act_and_wait
from localcloud.providers.digitalocean.tags import set_tags, tags
from localcloud.providers.http import ApiError, quoted
from localcloud.providers.operations import fill
from localcloud.providers.planning import Plan
from localcloud.providers.schema import (
    Kind,
    Mode,
    ResourceType,
    State,
    boolean,
    each,
    integer,
    number,
    text,
    texts,
)

POLL_SECONDS = 3.0
CREATE_TIMEOUT_SECONDS = 60 * 60.0
DELETE_TIMEOUT_SECONDS = 60.0


def hashed(user_data: str) -> str:
    """What a state keeps of user data, which may hold secrets."""
    return hashlib.sha1(user_data.encode(), usedforsecurity=False).hexdigest()


def _number_or_text(value: str) -> int | str:
    """Images and SSH keys are named by number or by slug or fingerprint."""
    return int(value) if value.isdigit() else value


def _body(plan: Plan) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": plan.get("name"),
        "region": plan.get("region"),
        "size": plan.get("size"),
        "image": _number_or_text(plan.get("image")),
        "ssh_keys": [_number_or_text(key) for key in plan.get("sshKeys")] or None,
        "backups": plan.get("backups"),
        "ipv6": plan.get("ipv6"),
        "private_networking": plan.get("privateNetworking"),
        "monitoring": plan.get("monitoring"),
        "tags": plan.get("tags"),
    }
    more = {
        # The state keeps only its hash.
        "user_data": plan.inputs.get("userData"),
        "vpc_uuid": plan.get("vpcUuid"),
        "volumes": [{"id": id} for id in plan.get("volumeIds") if id],
    }
    switches = {"with_droplet_agent": plan.state.get("dropletAgent")}
    if plan.state.get("publicNetworking") is False:
        switches["public_networking"] = False
    return body | {key: value for key, value in more.items() if value} | _given(switches)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if isinstance(value, bool)}


def _wait(context: Context, state: Mapping[str, Any], key: str, value: Any, timeout: float) -> None:
    """Waits until a Droplet that nothing is done to shows this value. Raises RuntimeError where it will not come."""

    def reached() -> bool:
        droplet = context.api.get(fill(DROPLET.item, state))["droplet"]
        if droplet["locked"]:
            return False
        if key == "status" and value == "active" and state.get("status") is None and droplet[key] == "off":
            raise RuntimeError(f"Droplet {droplet['name']} is off: it did not start")
        return bool(droplet[key] == value)

    context.wait(
        f"Droplet {state.get('name')} to have the {key} {value}", reached, interval=POLL_SECONDS, timeout=timeout
    )


def _settle(context: Context, _plan: Plan, state: State, _answer: Mapping[str, Any]) -> None:
    _wait(context, {"id": state["id"], "name": state["name"]}, "status", "active", CREATE_TIMEOUT_SECONDS)


def _resize(context: Context, plan: Plan) -> None:
    path = fill(DROPLET.item, plan.state)
    state = {"id": plan.id, "name": plan.get("name"), "status": plan.was("status")}
    try:
        act(context, path, {"type": "power_off"})
    except ApiError as error:
        if "already powered off" not in str(error):
            raise
    _wait(context, state, "status", "off", CREATE_TIMEOUT_SECONDS)
    try:
        act_and_wait(context, path, {"type": "resize", "size": plan.get("size"), "disk": plan.get("resizeDisk")})
    finally:
        # Also after a refused size: the Droplet must not stay off.
        act(context, path, {"type": "power_on"})
        _wait(context, state, "status", "active", CREATE_TIMEOUT_SECONDS)


def _move_volumes(context: Context, plan: Plan) -> None:
    before, after = set(plan.was("volumeIds")), set(plan.get("volumeIds"))
    for kind, volumes in (("attach", after - before), ("detach", before - after)):
        for volume in sorted(volumes):
            act_and_wait(context, f"/v2/volumes/{quoted(volume)}", {"type": kind, "droplet_id": int(plan.id)})


def _update(context: Context, plan: Plan) -> None:
    path = fill(DROPLET.item, plan.state)
    state = {"id": plan.id, "name": plan.get("name"), "status": plan.was("status")}
    if plan.changed("size"):
        _resize(context, plan)
    if plan.changed("name"):
        act(context, path, {"type": "rename", "name": plan.get("name")})
        _wait(context, state, "name", plan.get("name"), CREATE_TIMEOUT_SECONDS)
    for name in ("backups", "ipv6", "privateNetworking"):
        if plan.changed(name):
            raise ValueError(f"{name} is switched by the official plugin; with this one make a new Droplet")
    if plan.changed("tags"):
        set_tags(context, plan, "droplet")
    if plan.changed("volumeIds"):
        _move_volumes(context, plan)


def _delete(context: Context, state: State) -> None:
    path = fill(DROPLET.item, state)

    def gone() -> bool:
        try:
            context.api.get(path)
        except ApiError as error:
            if error.status != 404:
                raise
            return True
        return False

    context.wait(
        f"Droplet {state.get('name')} to be unlocked",
        lambda: not context.api.get(path)["droplet"]["locked"],
        interval=POLL_SECONDS,
        timeout=DELETE_TIMEOUT_SECONDS,
    )
    if state.get("gracefulShutdown"):
        act(context, path, {"type": "shutdown"})
        _wait(context, state, "status", "off", DELETE_TIMEOUT_SECONDS)
    for volume in state.get("volumeIds") or []:
        act_and_wait(context, f"/v2/volumes/{quoted(volume)}", {"type": "detach", "droplet_id": int(state["id"])})
    context.api.call("DELETE", path)
    if not gone():
        what = f"Droplet {state.get('name')} to be gone"
        context.wait(what, gone, interval=POLL_SECONDS, timeout=DELETE_TIMEOUT_SECONDS)


def _finish(_context: Context, state: State, answer: Mapping[str, Any]) -> None:
    size, networks, features = answer["size"], answer["networks"], answer.get("features") or []
    addresses = {item["type"]: item["ip_address"] for item in networks.get("v4") or []}
    public_ipv6 = [item["ip_address"] for item in networks.get("v6") or [] if item["type"] == "public"]
    state |= {
        "region": answer["region"]["slug"],
        "size": size["slug"],
        "priceHourly": size["price_hourly"],
        "priceMonthly": size["price_monthly"],
        "dropletUrn": f"do:droplet:{state['id']}",
        "ipv4Address": addresses.get("public", ""),
        "ipv4AddressPrivate": addresses.get("private", ""),
        "ipv6Address": public_ipv6[0].lower() if public_ipv6 else "",
        "publicNetworking": "public" in addresses,
        "backups": "backups" in features,
        "ipv6": "ipv6" in features,
        "privateNetworking": "private_networking" in features,
        "monitoring": "monitoring" in features,
    }
    if "image" not in state:
        image = answer["image"]
        state |= {"image": image.get("slug") or str(image["id"]), "resizeDisk": True}


DROPLET = ResourceType(
    token="digitalocean:index/droplet:Droplet",  # noqa: S106
    noun="Droplet",
    collection="/v2/droplets",
    root="droplet",
    properties=(
        text("name", Mode.REQUIRED, autonamed=True),
        text("image", Mode.REQUIRED, replace=True, received=False),
        text("size", Mode.REQUIRED, normalise=str.lower, received=False),
        text("region", Mode.OPTIONAL_COMPUTED, replace=True, normalise=str.lower, received=False),
        text("vpcUuid", Mode.OPTIONAL_COMPUTED, replace=True),
        text("userData", replace=True, normalise=hashed, received=False),
        texts("sshKeys", Kind.SET, replace=True, received=False),
        texts("volumeIds", Kind.SET, Mode.OPTIONAL_COMPUTED),
        tags(),
        boolean("monitoring", default=False, replace=True, received=False),
        boolean("dropletAgent", replace=True, received=False),
        boolean("gracefulShutdown", default=False, received=False),
        boolean("resizeDisk", default=True, received=False),
        boolean("publicNetworking", Mode.OPTIONAL_COMPUTED, replace=True, received=False),
        boolean("privateNetworking", Mode.OPTIONAL_COMPUTED, received=False),
        boolean("ipv6", default=False, received=False),
        text("ipv6Address", Mode.OPTIONAL_COMPUTED, received=False),
        boolean("backups", default=False, received=False),
        *each(text, "ipv4Address ipv4AddressPrivate", Mode.COMPUTED, received=False),
        text("status", Mode.COMPUTED),
        boolean("locked", Mode.COMPUTED),
        *each(integer, "disk memory vcpus", Mode.COMPUTED),
        *each(number, "priceHourly priceMonthly", Mode.COMPUTED, received=False),
        text("createdAt", Mode.COMPUTED),
        text("dropletUrn", Mode.COMPUTED, received=False),
    ),
    body=_body,
    settle=_settle,
    finish=_finish,
    update=_update,
    delete=_delete,
)
