"""Policies of buckets in Spaces."""

from __future__ import annotations

import json
from typing import Any

from localcloud.providers.context import Context
from localcloud.providers.digitalocean.spaces_bucket import adopt, region_known
from localcloud.providers.digitalocean.spaces_client import SpacesClient, SpacesError
from localcloud.providers.planning import Plan
from localcloud.providers.schema import Mode, ResourceType, State, each, text


def _same_policy(old: str, new: str) -> bool:
    try:
        return bool(json.loads(old) == json.loads(new))
    except ValueError:
        return False


def _put_policy(context: Context, plan: Plan) -> None:
    SpacesClient(context, plan.get("region")).call("PUT", plan.get("bucket"), "policy", plan.get("policy").encode())


def _create_policy(context: Context, plan: Plan) -> tuple[str, dict[str, Any]]:
    _put_policy(context, plan)
    return plan.get("bucket"), {}


def _read_policy(context: Context, state: State) -> dict[str, Any]:
    """A policy that is gone is read as an empty one, as the official plugin has it: the next run puts it back."""
    try:
        policy = SpacesClient(context, state["region"]).call("GET", state["id"], "policy").decode()
    except SpacesError as error:
        if not error.status:
            raise
        policy = ""
    return {"bucket": state["id"], "region": state["region"], "policy": policy}


def _delete_policy(context: Context, state: State) -> None:
    SpacesClient(context, state["region"]).call("DELETE", state["id"], "policy")


def _is_json(inputs: State) -> dict[str, str]:
    policy = inputs.get("policy")
    if isinstance(policy, str):
        try:
            json.loads(policy)
        except ValueError as problem:
            return {"policy": f"policy is not JSON: {problem}"}
    return region_known(inputs)


POLICY = ResourceType(
    token="digitalocean:index/spacesBucketPolicy:SpacesBucketPolicy",  # noqa: S106
    noun="bucket policy",
    adopt=adopt,
    properties=(
        *each(text, "bucket region", Mode.REQUIRED, replace=True),
        text("policy", Mode.REQUIRED, same=_same_policy),
    ),
    verify=_is_json,
    create=_create_policy,
    read=_read_policy,
    update=_put_policy,
    delete=_delete_policy,
)
