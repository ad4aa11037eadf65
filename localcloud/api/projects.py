"""/v2/projects: named groups of resources."""

import uuid
from typing import Any, Literal

from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.errors import NotFound, PreconditionFailed, Unprocessable
from localcloud.api.paging import page
from localcloud.cloud import ACCOUNT_ID
from localcloud.records import Project, now
from localcloud.state import Tables

_Environment = Literal["Development", "Staging", "Production", ""]
_OWNER_NUMBER = 1
_URN_KINDS = ("vpc", "dbaas", "app", "droplet", "volume", "space")
_ASSIGNED = ("vpc", "droplet", "volume", "space")
"""Kinds that do not know their project: the project lists them."""


class _Create(Body):
    name: str
    purpose: str
    description: str | None = None
    environment: _Environment | None = None


class _Update(Body):
    name: str | None = None
    purpose: str | None = None
    description: str | None = None
    environment: _Environment | None = None
    is_default: bool | None = None


class _Resources(Body):
    resources: list[str]


def _create(call: Call) -> Reply:
    body = call.read(_Create)
    with call.cloud.state.transaction() as tables:
        project = Project(
            id=str(uuid.uuid4()),
            name=_free_name(tables, body.name),
            purpose=body.purpose,
            description=body.description or "",
            environment=body.environment or "Development",
            is_default=False,
            created_at=now(),
            updated_at=now(),
        )
        tables.projects[project.id] = project
    return Reply(status=201, body={"project": _show(project)})


def _list(call: Call) -> Reply:
    return page(call, "projects", [_show(project) for project in call.cloud.state.read().projects.values()])


def _get(call: Call) -> Reply:
    return Reply(body={"project": _show(_find(call.cloud.state.read(), call))})


def _update(call: Call) -> Reply:
    body = call.read(_Update)
    with call.cloud.state.transaction() as tables:
        project = _find(tables, call)
        changes: dict[str, Any] = body.model_dump(exclude_none=True, exclude={"is_default"})
        if body.name is not None and body.name != project.name:
            _free_name(tables, body.name)
        if body.is_default is False and project.is_default:
            raise Unprocessable(f"is_default: {project.name} is the default project; make another one the default.")
        if body.is_default and not project.is_default:
            for other in list(tables.projects.values()):
                tables.projects[other.id] = other.model_copy(update={"is_default": False})
            changes["is_default"] = True
        project = project.model_copy(update={**changes, "updated_at": now()})
        tables.projects[project.id] = project
    return Reply(body={"project": _show(project)})


def _delete(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        project = _find(tables, call)
        if project.is_default:
            raise PreconditionFailed("cannot delete the default project")
        if _contents(call, tables, project):
            raise PreconditionFailed("cannot delete a project with resources")
        del tables.projects[project.id]
    return NO_CONTENT


def _resources(call: Call) -> Reply:
    tables = call.cloud.state.read()
    contents = _contents(call, tables, _find(tables, call))
    return page(call, "resources", [_show_resource(call, urn, time, "ok") for urn, time in contents.items()])


def _assign(call: Call) -> Reply:
    urns = call.read(_Resources).resources
    answers: list[dict[str, Any]] = []
    with call.cloud.state.transaction() as tables:
        target = _find(tables, call)
        here = _contents(call, tables, target)
        for urn in urns:
            if not _exists(call, tables, urn):
                raise Unprocessable(f"resources: {urn}: there is no such resource.")
            if urn in here:
                answers.append(_show_resource(call, urn, here[urn], "already_assigned"))
                continue
            _move(tables, urn, target.id)
            answers.append(_show_resource(call, urn, now(), "assigned"))
    return Reply(body={"resources": answers})


def _find(tables: Tables, call: Call) -> Project:
    id = call.params.get("id", "default")
    for project in tables.projects.values():
        if project.id == id or (id == "default" and project.is_default):
            return project
    raise NotFound(f"There is no project with the id {id}.")


def _free_name(tables: Tables, name: str) -> str:
    if not 1 <= len(name) <= 175:
        raise Unprocessable(f"name: {len(name)} characters. Allowed: 1 to 175.")
    if any(project.name == name for project in tables.projects.values()):
        raise Unprocessable(f"name {name}: another project has this name.")
    return name


def _contents(call: Call, tables: Tables, project: Project) -> dict[str, str]:
    """URN to the time of its assignment. Clusters and apps know their project, the others are assigned."""
    members = [*tables.clusters.values()]
    found = {item.urn: item.created_at for item in members if item.project_id == project.id and not item.deleting}
    found |= {app.urn: app.created_at for app in tables.apps.values() if app.project_id == project.id}
    found |= {urn: time for urn, time in project.resources.items() if _exists(call, tables, urn)}
    if project.is_default:
        # A bucket is made by another API, which knows no projects.
        assigned = {urn for other in tables.projects.values() for urn in other.resources}
        buckets = {f"do:space:{name}": project.created_at for name in call.cloud.spaces.store.names()}
        found |= {urn: time for urn, time in buckets.items() if urn not in assigned}
    return found


def _exists(call: Call, tables: Tables, urn: str) -> bool:
    kind, _, id = urn.removeprefix("do:").partition(":")
    if kind not in _URN_KINDS:
        raise Unprocessable(f"resources: {urn}: only {', '.join(f'do:{kind}:' for kind in _URN_KINDS)} exist here.")
    if kind == "space":
        return id in call.cloud.spaces.store.names()
    tables_by_kind: dict[str, dict[str, Any]] = {
        "vpc": tables.vpcs,
        "dbaas": tables.clusters,
        "app": tables.apps,
        "droplet": tables.droplets,
        "volume": tables.volumes,
    }
    return id in tables_by_kind[kind]


def _move(tables: Tables, urn: str, project_id: str) -> None:
    _, kind, id = urn.split(":", 2)
    for project in list(tables.projects.values()):
        rest = {other: time for other, time in project.resources.items() if other != urn}
        if kind in _ASSIGNED and project.id == project_id:
            rest[urn] = now()
        tables.projects[project.id] = project.model_copy(update={"resources": rest})
    if kind == "dbaas":
        tables.clusters[id] = tables.clusters[id].model_copy(update={"project_id": project_id})
    elif kind == "app":
        tables.apps[id] = tables.apps[id].model_copy(update={"project_id": project_id})


def _show(project: Project) -> dict[str, Any]:
    return project.model_dump(exclude={"resources"}) | {"owner_uuid": ACCOUNT_ID, "owner_id": _OWNER_NUMBER}


def _show_resource(call: Call, urn: str, time: str, status: str) -> dict[str, Any]:
    _, kind, id = urn.split(":", 2)
    paths = {"vpc": "vpcs", "dbaas": "databases", "app": "apps", "droplet": "droplets", "volume": "volumes"}
    # A bucket has no object in this API.
    own = f"{call.base_url}/v2/{paths[kind]}/{id}" if kind in paths else ""
    return {
        "urn": urn,
        "assigned_at": time,
        "status": status,
        "links": {"self": own},
    }


ENDPOINTS: Routes = {
    "/v2/projects": {"POST": _create, "GET": _list},
    "/v2/projects/{id}": {"GET": _get, "PUT": _update, "PATCH": _update, "DELETE": _delete},
    "/v2/projects/{id}/resources": {"GET": _resources, "POST": _assign},
}
