"""Keys to Spaces."""

from collections.abc import Mapping
from typing import Any

from localcloud.providers.context import Context
from localcloud.providers.planning import Plan
from localcloud.providers.schema import Mode, ResourceType, State, each, objects, text


def _settle(_context: Context, _plan: Plan, state: State, answer: Mapping[str, Any]) -> None:
    # The secret is told once.
    state["secretKey"] = answer["secret_key"]


def _adopt(identity: str) -> State:
    raise ValueError(f"the key {identity} cannot be imported: its secret was told once, when it was made")


KEY = ResourceType(
    token="digitalocean:index/spacesKey:SpacesKey",  # noqa: S106
    noun="Spaces key",
    collection="/v2/spaces/keys",
    root="key",
    identify=lambda _state, answer: str(answer["access_key"]),
    properties=(
        text("name", Mode.REQUIRED, autonamed=True),
        objects(
            "grants",
            (text("bucket", Mode.REQUIRED, keep_empty=True), text("permission", Mode.REQUIRED)),
            keep_empty=True,
        ),
        *each(text, "accessKey createdAt", Mode.COMPUTED),
        text("secretKey", Mode.COMPUTED, secret=True, received=False),
    ),
    settle=_settle,
    update_method="PUT",
    read_after_update=False,
    adopt=_adopt,
)
