"""Takes into the state what earlier runs made and could not write down.

Pulumi writes an open create into the state before it asks the cloud. A run that is killed leaves it open; one whose
answer was lost closes it as failed. The cloud may hold the thing in both cases: a second create would fail on its
name, or make a second cluster that bills.
"""

import json
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from trellis.operations.api import Api
from trellis.operations.engine import UNREAD, engine_of
from trellis.operations.errors import OperationError
from trellis.operations.ownership import KINDS, Clouds, ForeignError, find, is_ready

READY_WITHIN_SECONDS = 1800
NEW_WITHIN_SECONDS = 3600
CREATES = ("create", "create-replacement")
MASKED = "[secret]"
EMPTY = json.dumps({"plaintext": '""'})[1:-1]

Record = Mapping[str, Any]


def run(options: Namespace) -> int:
    """The subcommand `recover`."""
    recover(options.stack, options.config_file)
    return 0


def recover(stack: str, config_file: Path | None) -> None:
    """Takes what killed runs left into the state and drops the rest of the open creates. Does nothing without any.

    Raises OperationError, and leaves the state as it was, when a cloud cannot be asked or holds somebody else's thing.
    """
    engine = engine_of(stack, config_file)
    finish(Clouds(engine), engine.state())


def finish(clouds: Clouds, state: Record) -> None:
    """The same for a state that is known already."""
    left = [op["resource"] for op in state.get("pending_operations") or [] if op["type"] == "creating"]
    # A run that was killed between the two steps of taking in.
    unread = [made["urn"] for made in state.get("resources") or [] if UNREAD in (made.get("initErrors") or ())]
    found, foreign = _look_up(clouds, left, state)
    if foreign:
        forget = "`pulumi refresh --clear-pending-creates` forgets the open create. Nothing was changed."
        raise OperationError("\n".join((*foreign, forget)))
    for create in left:
        if create["type"] in KINDS and create["urn"] not in found:
            _say(f"{_name(create)}: was not created; `pulumi up` creates it.")
    usable = _usable(clouds, left, found)
    if left:
        clouds.engine.adopt(usable)
    if urns := [*unread, *usable]:
        clouds.engine.refresh(urns)


def take_in(clouds: Clouds, failed: Iterable[Record]) -> bool:
    """Takes in what failed creates made after all; whether there was anything, so that another run gets further.

    failed: the steps of the run, as its events have them. Raises OperationError where somebody else's thing stood in
    the way, when the rest is taken in.
    """
    steps = [step for step in failed if step["op"] in CREATES and step["type"] in KINDS]
    if not steps:
        return False
    creates = [_resource(step["new"]) for step in steps]
    engine = clouds.engine
    found, foreign = _look_up(clouds, creates, engine.state())
    usable = _usable(clouds, creates, found)
    if usable:
        engine.adopt(usable, creates)
        engine.refresh(usable)
    if foreign:
        raise OperationError("\n".join(foreign))
    return bool(found)


def _resource(shown: Record) -> Record:
    """What a state holds of a resource, from an event."""
    kept = ("urn", "type", "custom", "parent", "provider", "protect", "retainOnDelete")
    return {key: shown[key] for key in kept if shown.get(key)} | {"inputs": _without_secrets(shown["inputs"])}


def _without_secrets(value: Any) -> Any:
    """Inputs with empty secrets, for an event masks them. The refresh reads those that a cloud tells."""
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("ciphertext") == MASKED:
        return {**{key: kept for key, kept in value.items() if key != "ciphertext"}, "plaintext": '""'}
    return {key: _without_secrets(item) for key, item in value.items()}


def _look_up(clouds: Clouds, creates: Iterable[Record], state: Record) -> tuple[dict[str, str], list[str]]:
    """URN -> id of what there is and the state does not hold, and what is to be said of what is not the stack's own.

    What the state holds by another URN would be taken in here and deleted there. What is to be replaced and is deleted
    already may have had the id of the new one: a pool's is its name.
    """
    standing = (one for one in state.get("resources") or () if not one.get("pendingReplacement"))
    held = {(resource["type"], resource.get("id")) for resource in standing}
    found: dict[str, str] = {}
    foreign: list[str] = []
    for create in creates:
        kind = KINDS.get(create["type"])
        if kind is None:
            continue
        try:
            identifier = find(getattr(clouds, kind.cloud), kind, create["inputs"])
        except ForeignError as error:
            foreign.append(f"{_name(create)}: {error}")
        else:
            if identifier and (create["type"], identifier) not in held:
                found[create["urn"]] = identifier
    return found, foreign


def _usable(clouds: Clouds, creates: Sequence[Record], found: Mapping[str, str]) -> dict[str, str]:
    """What can be taken in, made and ready. What holds a secret that nobody knows is deleted: it is new and empty."""
    usable: dict[str, str] = {}
    for create in creates:
        kind, identifier = KINDS.get(create["type"]), found.get(create["urn"])
        if kind is None or identifier is None:
            continue
        api: Api = getattr(clouds, kind.cloud)
        # What a Droplet was told in secret, no cloud tells; without it the state would not be true.
        if kind.delete and (kind.told_once or EMPTY in json.dumps(create["inputs"])):
            path = kind.delete.format(id=identifier)
            if not _is_new(api, path):
                raise OperationError(
                    f"{_name(create)} exists as {identifier}, but its secret is lost and it may be in use. It is left "
                    "alone. Delete it, then run this again."
                )
            api.delete(path)
            _wait(create, identifier, "deleted", partial(_is_gone, api, path))
            _say(f"{_name(create)}: exists as {identifier}, but its secret is lost; deleted, to be made anew.")
            continue
        _wait(create, identifier, "ready", partial(is_ready, api, kind, identifier))
        _say(f"{_name(create)}: exists as {identifier}; taken into the state.")
        usable[create["urn"]] = identifier
    return usable


def _wait(create: Record, identifier: str, what: str, done: Callable[[], bool]) -> None:
    until = time.monotonic() + READY_WITHIN_SECONDS
    while not done():
        if time.monotonic() > until:
            raise OperationError(
                f"{_name(create)} exists as {identifier}, but is not {what} after {READY_WITHIN_SECONDS // 60} minutes."
                " The state was not changed. Look at it in the control panel, then run this again."
            )
        time.sleep(2)


def _is_new(api: Api, path: str) -> bool:
    (item,) = (api.get(path) or {"": {}}).values()
    since = datetime.fromisoformat(item.get("created_at") or "1970-01-01T00:00:00+00:00")
    return (datetime.now(UTC) - since).total_seconds() < NEW_WITHIN_SECONDS


def _is_gone(api: Api, path: str) -> bool:
    return api.get(path) is None


def _name(resource: Record) -> str:
    return str(resource["urn"]).rsplit("::", 1)[-1]


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201
