"""Tags of a resource, added and taken off one by one as the API has it."""

from localcloud.providers.context import Context
from localcloud.providers.http import quoted
from localcloud.providers.planning import Plan
from localcloud.providers.schema import Kind, Property, texts


def tags(*, replace: bool = False, keep_empty: bool = False) -> Property:
    """The tags property of a resource."""
    return texts("tags", Kind.SET, replace=replace, keep_empty=keep_empty)


def set_tags(context: Context, plan: Plan, resource_type: str) -> None:
    """Takes off the tags that are not planned any more and adds the new ones."""
    target = {"resources": [{"resource_id": plan.id, "resource_type": resource_type}]}
    before, after = set(plan.was("tags")), set(plan.get("tags"))
    for name in sorted(before - after):
        context.api.call("DELETE", f"/v2/tags/{quoted(name)}/resources", target)
    for name in sorted(after - before):
        context.api.call("POST", "/v2/tags", {"name": name})
        context.api.call("POST", f"/v2/tags/{quoted(name)}/resources", target)
