"""/v2/tags: tags and what carries them."""

from typing import Any

from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.databases import checks
from localcloud.api.errors import NotFound, Unprocessable
from localcloud.api.paging import page
from localcloud.records import Tag
from localcloud.state import Tables


class _Create(Body):
    name: str


class _Resource(Body):
    resource_id: str
    resource_type: str


class _Resources(Body):
    resources: list[_Resource]


def _create(call: Call) -> Reply:
    name = call.read(_Create).name
    checks.tags([name])
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
        for table in (*_taggable(tables).values(), tables.replicas, tables.firewalls):
            for id, item in list(table.items()):
                table[id] = item.model_copy(update={"tags": tuple(tag for tag in item.tags if tag != name)})
    call.cloud.follow_droplets()
    return NO_CONTENT


def _change(call: Call) -> Reply:
    """POST tags resources, DELETE takes the tag off them."""
    resources = call.read(_Resources).resources
    with call.cloud.state.transaction() as tables:
        name = _known(tables, call)
        for resource in resources:
            kinds = _taggable(tables)
            table = kinds.get(resource.resource_type, {})
            item = table.get(resource.resource_id)
            if item is None:
                raise Unprocessable(
                    f"resources: {resource.resource_type} {resource.resource_id}: there is none; "
                    f"what can be tagged here has a resource_type of {', '.join(kinds)}."
                )
            rest = tuple(tag for tag in item.tags if tag != name)
            table[resource.resource_id] = item.model_copy(
                update={"tags": (*rest, name) if call.method == "POST" else rest}
            )
    call.cloud.follow_droplets()
    return NO_CONTENT


def _taggable(tables: Tables) -> dict[str, dict[str, Any]]:
    """The tables of what can be tagged, by the API's name for its type."""
    return {"database": tables.clusters, "droplet": tables.droplets, "volume": tables.volumes}


def _names(tables: Tables) -> set[str]:
    tagged = (*_taggable(tables).values(), tables.replicas, tables.firewalls)
    return {tag for table in tagged for item in table.values() for tag in item.tags} | set(tables.tags)


def _known(tables: Tables, call: Call) -> str:
    name = call.param("name")
    if name not in _names(tables):
        raise NotFound(f"There is no tag called {name}.")
    return name


def _show(call: Call, tables: Tables, name: str) -> dict[str, Any]:
    counts = {
        f"{kind}s": _count(f"{call.base_url}/v2/{kind}s", [id for id, item in table.items() if name in item.tags])
        for kind, table in _taggable(tables).items()
    }
    none = {"count": 0}
    total: dict[str, Any] = {"count": sum(count["count"] for count in counts.values())}
    last = [count["last_tagged_uri"] for count in counts.values() if count["count"]]
    if last:
        total["last_tagged_uri"] = last[-1]
    return {"name": name, "resources": {**total, **counts, "images": none, "volume_snapshots": none}}


def _count(path: str, ids: list[str]) -> dict[str, Any]:
    return {"count": len(ids), "last_tagged_uri": f"{path}/{ids[-1]}"} if ids else {"count": 0}


ENDPOINTS: Routes = {
    "/v2/tags": {"POST": _create, "GET": _list},
    "/v2/tags/{name}": {"GET": _get, "DELETE": _delete},
    "/v2/tags/{name}/resources": {"POST": _change, "DELETE": _change},
}
