"""/v2/projects: named groups of resources."""

import uuid
from typing import Any, Literal

from localcloud.api.call import Body, Call, Reply, Routes
from localcloud.api.collection import Collection
from localcloud.api.errors import PreconditionFailed, Unprocessable
from localcloud.api.paging import page
from localcloud.cloud import ACCOUNT_ID
from localcloud.records import Project, now
from localcloud.state import Tables

_Environment = Literal["Development", "Staging", "Production", ""]
_OWNER_NUMBER = 1
_PATHS = {"dbaas": "databases", "app": "apps", "droplet": "droplets", "volume": "volumes", "space": ""}
"""Kinds of resources by the path of the call that shows them; a bucket has no object in this API."""
_ASSIGNED = ("droplet", "volume", "space")
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


def _project(call: Call, tables: Tables, old: Project | None) -> Project:
    return _new(call.read(_Create), tables) if old is None else _changed(call.read(_Update), tables, old)


def _new(body: _Create, tables: Tables) -> Project:
    return Project(
        id=str(uuid.uuid4()),
        name=_free_name(tables, body.name),
        purpose=body.purpose,
        description=body.description or "",
        environment=body.environment or "",
        is_default=False,
        created_at=now(),
        updated_at=now(),
    )


def _changed(body: _Update, tables: Tables, project: Project) -> Project:
    changes: dict[str, Any] = body.model_dump(exclude_none=True, exclude={"is_default"})
    if body.name is not None and body.name != project.name:
        _free_name(tables, body.name)
    if body.is_default is False and project.is_default:
        raise Unprocessable(f"is_default: {project.name} is the default project; make another one the default.")
    if body.is_default and not project.is_default:
        for other in list(tables.projects.values()):
            tables.projects[other.id] = other.model_copy(update={"is_default": False})
        changes["is_default"] = True
    return project.model_copy(update={**changes, "updated_at": now()})


def _stays(call: Call, tables: Tables, project: Project) -> None:
    if project.is_default:
        raise PreconditionFailed("cannot delete the default project")
    if _contents(call, tables, project):
        raise PreconditionFailed("cannot delete a project with resources")


def _resources(call: Call) -> Reply:
    tables = call.cloud.state.read()
    contents = _contents(call, tables, _PROJECTS.here(call, tables))
    return page(call, "resources", [_show_resource(call, urn, time, "ok") for urn, time in contents.items()])


def _assign(call: Call) -> Reply:
    urns = call.read(_Resources).resources
    answers: list[dict[str, Any]] = []
    with call.cloud.state.transaction() as tables:
        target = _PROJECTS.here(call, tables)
        here = _contents(call, tables, target)
        for urn in urns:
            if not _exists(call, tables, urn):
                answers.append(_show_resource(call, urn, now(), "not_found"))
            elif urn in here:
                answers.append(_show_resource(call, urn, here[urn], "already_assigned"))
            else:
                _move(tables, urn, target.id)
                answers.append(_show_resource(call, urn, now(), "assigned"))
    return Reply(body={"resources": answers})


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
    if kind not in _PATHS:
        raise Unprocessable(f"resources: {urn}: only {', '.join(f'do:{kind}:' for kind in _PATHS)} belong to projects.")
    if kind == "space":
        return id in call.cloud.spaces.store.names()
    table: dict[str, Any] = getattr(tables, "clusters" if kind == "dbaas" else _PATHS[kind])
    return id in table and not getattr(table[id], "deleting", False)


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


def _show_resource(call: Call, urn: str, time: str, status: str) -> dict[str, Any]:
    _, kind, id = urn.split(":", 2)
    own = f"{call.base_url}/v2/{_PATHS[kind]}/{id}" if _PATHS[kind] else ""
    return {"urn": urn, "assigned_at": time, "status": status, "links": {"self": own}}


def _show(_call: Call, project: Project) -> dict[str, Any]:
    """Without an environment where none was given: the OpenAPI document has no empty one."""
    hidden = {"resources"} | (set() if project.environment else {"environment"})
    return project.model_dump(exclude=hidden) | {"owner_uuid": ACCOUNT_ID, "owner_id": _OWNER_NUMBER}


_PROJECTS = Collection[Project](
    path="/v2/projects",
    table=lambda tables: tables.projects,
    root="project",
    show=_show,
    make=_project,
    names=lambda project: (project.id, "default") if project.is_default else (project.id,),
    let_go=_stays,
)

ENDPOINTS: Routes = {
    **_PROJECTS.routes(PATCH=_PROJECTS.update),
    "/v2/projects/{id}/resources": {"GET": _resources, "POST": _assign},
}
