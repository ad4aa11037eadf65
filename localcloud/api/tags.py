"""/v2/tags: tags and what carries them."""

import re
from typing import Any

from localcloud.api.call import NO_CONTENT, Body, Call, Endpoint, Reply
from localcloud.api.errors import NotFound, Unprocessable
from localcloud.api.paging import page
from localcloud.records import Tag
from localcloud.state import Tables

_NAME = re.compile(r"^[a-zA-Z0-9_:-]{1,255}$")


class _Create(Body):
    name: str


class _Resource(Body):
    resource_id: str
    resource_type: str


class _Resources(Body):
    resources: list[_Resource]


def _create(call: Call) -> Reply:
    name = call.read(_Create).name
    if not _NAME.match(name):
        raise Unprocessable(f"name {name!r}: allowed are up to 255 letters, digits, dashes, underscores, colons.")
    with call.cloud.state.transaction() as tables:
        tables.tags.setdefault(name, Tag(name=name))
        shown = _show(call, tables, name)
    return Reply(status=201, body={"tag": shown})


def _list(call: Call) -> Reply:
    tables = call.cloud.state.read()
    return page(call, "tags", [_show(call, tables, name) for name in sorted(_names(tables))])


def _get(call: Call) -> Reply:
    tables = call.cloud.state.read()
    return Reply(body={"tag": _show(call, tables, _known(tables, call))})


def _delete(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        name = _known(tables, call)
        tables.tags.pop(name, None)
        for cluster in list(tables.clusters.values()):
            rest = tuple(tag for tag in cluster.tags if tag != name)
            tables.clusters[cluster.id] = cluster.model_copy(update={"tags": rest})
        for replica in list(tables.replicas.values()):
            rest = tuple(tag for tag in replica.tags if tag != name)
            tables.replicas[replica.id] = replica.model_copy(update={"tags": rest})
    return NO_CONTENT


def _tag(call: Call) -> Reply:
    return _change(call, add=True)


def _untag(call: Call) -> Reply:
    return _change(call, add=False)


def _change(call: Call, *, add: bool) -> Reply:
    resources = call.read(_Resources).resources
    with call.cloud.state.transaction() as tables:
        name = _known(tables, call)
        for resource in resources:
            cluster = tables.clusters.get(resource.resource_id)
            if resource.resource_type != "database" or cluster is None:
                raise Unprocessable(
                    f"resources: {resource.resource_type} {resource.resource_id}: there is none; "
                    "here only databases (resource_type database) can be tagged."
                )
            rest = tuple(tag for tag in cluster.tags if tag != name)
            tables.clusters[cluster.id] = cluster.model_copy(update={"tags": (*rest, name) if add else rest})
    return NO_CONTENT


def _names(tables: Tables) -> set[str]:
    used = {tag for cluster in tables.clusters.values() for tag in cluster.tags}
    used |= {tag for replica in tables.replicas.values() for tag in replica.tags}
    return used | set(tables.tags)


def _known(tables: Tables, call: Call) -> str:
    name = call.param("name")
    if name not in _names(tables):
        raise NotFound(f"There is no tag called {name}.")
    return name


def _show(call: Call, tables: Tables, name: str) -> dict[str, Any]:
    tagged = [cluster for cluster in tables.clusters.values() if name in cluster.tags]
    databases: dict[str, Any] = {"count": len(tagged)}
    if tagged:
        databases["last_tagged_uri"] = f"{call.base_url}/v2/databases/{tagged[-1].id}"
    none = {"count": 0}
    return {
        "name": name,
        "resources": {
            **databases,
            "databases": databases,
            "droplets": none,
            "images": none,
            "volumes": none,
            "volume_snapshots": none,
        },
    }


ENDPOINTS = (
    Endpoint(method="POST", path="/v2/tags", handler=_create),
    Endpoint(method="GET", path="/v2/tags", handler=_list),
    Endpoint(method="GET", path="/v2/tags/{name}", handler=_get),
    Endpoint(method="DELETE", path="/v2/tags/{name}", handler=_delete),
    Endpoint(method="POST", path="/v2/tags/{name}/resources", handler=_tag),
    Endpoint(method="DELETE", path="/v2/tags/{name}/resources", handler=_untag),
)
