"""Waiting for what Droplets and volumes were asked to do."""

from typing import Any

from localcloud.providers.context import Context

POLL_SECONDS = 3.0
TIMEOUT_SECONDS = 60 * 60.0


def act(context: Context, path: str, order: dict[str, Any]) -> int:
    """Asks for an action. Returns its id."""
    return int(context.api.call("POST", f"{path}/actions", order)["action"]["id"])


def act_and_wait(context: Context, path: str, order: dict[str, Any]) -> None:
    """Asks for an action and waits until it is done. Raises RuntimeError where it fails."""
    action = act(context, path, order)

    def done() -> bool:
        found = context.api.get(f"/v2/actions/{action}")["action"]
        if found["status"] == "errored":
            raise RuntimeError(f"the action {order['type']} (number {action}) failed")
        return found.get("completed_at") is not None

    what = f"the action {order['type']} (number {action})"
    context.wait(what, done, interval=POLL_SECONDS, timeout=TIMEOUT_SECONDS)
