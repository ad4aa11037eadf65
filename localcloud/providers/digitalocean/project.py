"""Projects and the resources that belong to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.providers.context import Context
from localcloud.providers.http import quoted
from localcloud.providers.operations import fill
from localcloud.providers.planning import Plan
from localcloud.providers.schema import Kind, Mode, ResourceType, State, boolean, each, integer, text, texts
from localcloud.providers.values import decode, sort_set

DELETE_TIMEOUT_SECONDS = 180.0


def _assign(context: Context, project: str, urns: list[str]) -> None:
    if urns:
        context.api.call("POST", f"/v2/projects/{quoted(project)}/resources", {"resources": urns})


def _release(context: Context, urns: list[str]) -> None:
    """A resource always has a project: what leaves one goes to the default one."""
    if urns:
        default = context.api.get("/v2/projects/default")["project"]["id"]
        _assign(context, default, urns)


def _urns(context: Context, project: str) -> list[str]:
    return [item["urn"] for item in context.pages(f"/v2/projects/{quoted(project)}/resources", "resources")]


def _move(context: Context, plan: Plan, project: str) -> None:
    if plan.changed("resources"):
        before, after = set(plan.was("resources")), set(plan.get("resources"))
        _release(context, sorted(before - after))
        _assign(context, project, sorted(after - before))


def _settings(plan: Plan) -> dict[str, Any]:
    return {key: plan.get(key) for key in ("name", "description", "purpose", "environment")}


def _settle(context: Context, plan: Plan, state: State, _answer: Mapping[str, Any]) -> None:
    _assign(context, state["id"], sorted(plan.get("resources")))
    if plan.get("isDefault"):
        context.api.call("PATCH", fill(PROJECT.item, state), {**_settings(plan), "is_default": True})


def _update(context: Context, plan: Plan) -> None:
    body = {**_settings(plan), "is_default": plan.get("isDefault")}
    context.api.call("PATCH", fill(PROJECT.item, plan.state), body)
    _move(context, plan, plan.id)


def _finish(context: Context, state: State, _answer: Mapping[str, Any]) -> None:
    # The API puts this before a purpose that is not one of its own.
    state["purpose"] = state["purpose"].removeprefix("Other: ")
    state["resources"] = sort_set(PROJECT.by_name["resources"], _urns(context, state["id"]))


def _delete(context: Context, state: State) -> None:
    """Resources leave a project some time after they are moved, so a refusal is tried again."""
    _release(context, state.get("resources") or [])
    context.insist(
        "the project's resources to leave it",
        lambda: context.api.call("DELETE", fill(PROJECT.item, state)),
        lambda error: error.status == 412,
        interval=2.0,
        timeout=DELETE_TIMEOUT_SECONDS,
    )


PROJECT = ResourceType(
    token="digitalocean:index/project:Project",  # noqa: S106
    noun="project",
    collection="/v2/projects",
    root="project",
    properties=(
        text("name", Mode.REQUIRED, autonamed=True, within=(1, 175)),
        text("description", default="", within=(0, 255)),
        text("purpose", default="Web Application", within=(0, 255)),
        text("environment", same=lambda old, new: old.lower() == new.lower()),
        boolean("isDefault", default=False),
        texts("resources", Kind.SET, Mode.OPTIONAL_COMPUTED, received=False),
        text("ownerUuid", Mode.COMPUTED),
        integer("ownerId", Mode.COMPUTED),
        *each(text, "createdAt updatedAt", Mode.COMPUTED),
    ),
    body=_settings,
    settle=_settle,
    finish=_finish,
    update=_update,
    delete=_delete,
    verify=lambda inputs: (
        {"environment": "environment must be development, staging or production"}
        if str(inputs.get("environment") or "staging").lower() not in ("development", "staging", "production")
        and isinstance(inputs.get("environment"), str)
        else {}
    ),
)


def _read_resources(context: Context, state: State) -> dict[str, Any]:
    """Of the given resources, those that belong to the project."""
    project = state["id"]
    context.api.get(f"/v2/projects/{quoted(project)}")
    there = set(_urns(context, project))
    return {"project": project, "resources": [urn for urn in state.get("resources") or [] if urn in there]}


def _create_resources(context: Context, plan: Plan) -> tuple[str, dict[str, Any]]:
    project = plan.get("project")
    context.api.get(f"/v2/projects/{quoted(project)}")
    _assign(context, project, sorted(plan.get("resources")))
    return project, {}


def _update_resources(context: Context, plan: Plan) -> None:
    context.api.get(f"/v2/projects/{quoted(plan.id)}")
    _move(context, plan, plan.id)


def _delete_resources(context: Context, state: State) -> None:
    context.api.get(f"/v2/projects/{quoted(state['project'])}")
    _release(context, state.get("resources") or [])


PROJECT_RESOURCES = ResourceType(
    token="digitalocean:index/projectResources:ProjectResources",  # noqa: S106
    noun="project resources",
    properties=(text("project", Mode.REQUIRED, replace=True), texts("resources", Kind.SET, Mode.REQUIRED)),
    create=_create_resources,
    read=_read_resources,
    update=_update_resources,
    delete=_delete_resources,
)


def get_project(context: Context, arguments: State) -> State:
    """The project of an id or a name, or the default one. Raises LookupError where there is not exactly one."""
    if arguments.get("id"):
        found = context.api.get(fill(PROJECT.item, arguments))["project"]
    elif arguments.get("name"):
        projects = context.pages("/v2/projects", "projects")
        matching = [project for project in projects if project["name"] == arguments["name"]]
        if len(matching) != 1:
            raise LookupError(f"there are {len(matching)} projects named {arguments['name']}; one is needed")
        found = matching[0]
    else:
        found = context.api.get("/v2/projects/default")["project"]
    state = {"id": found["id"], **decode(PROJECT.properties, found)}
    _finish(context, state, found)
    return state
