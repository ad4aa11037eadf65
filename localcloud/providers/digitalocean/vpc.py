"""VPCs."""

from localcloud.providers.context import Context
from localcloud.providers.operations import fill
from localcloud.providers.planning import Plan
from localcloud.providers.schema import Mode, ResourceType, State, boolean, text
from localcloud.providers.values import go_time

DELETE_TIMEOUT_SECONDS = 120.0


def _update(context: Context, plan: Plan) -> None:
    if plan.changed("name", "description"):
        body = {"name": plan.get("name"), "description": plan.get("description"), "default": plan.get("default")}
        context.api.call("PUT", fill(VPC.item, plan.state), {k: v for k, v in body.items() if v != ""})


def _delete(context: Context, state: State) -> None:
    """Members leave a VPC some time after they are deleted, so a refusal is tried again."""
    context.insist(
        "the VPC's members to leave it",
        lambda: context.api.call("DELETE", fill(VPC.item, state)),
        lambda error: error.status in (403, 409),
        interval=2.0,
        timeout=DELETE_TIMEOUT_SECONDS,
    )


VPC = ResourceType(
    token="digitalocean:index/vpc:Vpc",  # noqa: S106
    noun="VPC",
    collection="/v2/vpcs",
    root="vpc",
    # Ranges are given out by region: two requests side by side can be given the same one.
    lock="vpc/{region}",
    properties=(
        text("name", Mode.REQUIRED, autonamed=True),
        text("region", Mode.REQUIRED, replace=True),
        text("description", within=(0, 255)),
        text("ipRange", Mode.OPTIONAL_COMPUTED, replace=True),
        text("vpcUrn", Mode.COMPUTED, wire="urn"),
        boolean("default", Mode.COMPUTED),
        text("createdAt", Mode.COMPUTED, decode=go_time),
    ),
    update=_update,
    delete=_delete,
)
