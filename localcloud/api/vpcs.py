"""/v2/vpcs: private networks."""

import re
import uuid
from typing import Any

from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.collection import Collection
from localcloud.api.errors import Forbidden, Unprocessable
from localcloud.api.paging import page
from localcloud.compute import Droplet
from localcloud.networks import RangeRefused, check_range, check_region, default_vpc, free_range
from localcloud.records import App, Cluster, Replica, Vpc, now
from localcloud.state import Tables

_NAME = re.compile(r"^[a-zA-Z0-9.-]{1,255}$")
_MAX_DESCRIPTION = 255


class _Create(Body):
    name: str
    region: str
    ip_range: str = ""
    description: str = ""


class _Update(Body):
    name: str | None = None
    description: str | None = None
    default: bool | None = None


def members(tables: Tables, vpc: Vpc) -> list[dict[str, Any]]:
    """What lives in a network: clusters, replicas and Droplets, also those whose deletion is under way, and apps."""
    databases: list[Cluster | Replica] = [*tables.clusters.values(), *tables.replicas.values()]
    inside: list[Cluster | Replica | Droplet | App] = [
        item for item in databases if item.private_network_uuid == vpc.id
    ]
    inside += [droplet for droplet in tables.droplets.values() if droplet.vpc_uuid == vpc.id]
    inside += [app for app in tables.apps.values() if app.spec.get("vpc", {}).get("id") == vpc.id]
    return [{"urn": item.urn, "name": item.name, "created_at": item.created_at} for item in inside]


_VPCS = Collection[Vpc](
    path="/v2/vpcs",
    table=lambda tables: tables.vpcs,
    root="vpc",
    roots="vpcs",
    noun="VPC",
    show=lambda vpc: vpc.model_dump() | {"urn": vpc.urn},
)


def _create(call: Call) -> Reply:
    body = call.read(_Create)
    with call.cloud.state.transaction() as tables:
        try:
            region = check_region(body.region)
            if body.ip_range:
                check_range(body.ip_range, tables.vpcs.values())
            ip_range = body.ip_range or free_range(tables.vpcs.values())
        except (RangeRefused, ValueError) as problem:
            raise Unprocessable(str(problem)) from problem
        vpc = Vpc(
            id=str(uuid.uuid4()),
            name=_checked_name(tables, body.name),
            region=region,
            ip_range=ip_range,
            description=_checked_description(body.description),
            created_at=now(),
        )
        tables.vpcs[vpc.id] = vpc
        # After ours, so that the range the region's default network picks keeps clear of the one asked for.
        default_vpc(tables, region)
    return _VPCS.reply(vpc, 201)


def _update(call: Call) -> Reply:
    body = call.read(_Update)
    with call.cloud.state.transaction() as tables:
        vpc = _VPCS.find(tables, call.param("id"))
        changes: dict[str, Any] = {}
        if body.name is not None and body.name != vpc.name:
            changes["name"] = _checked_name(tables, body.name)
        if body.description is not None:
            changes["description"] = _checked_description(body.description)
        if body.default and not vpc.default:
            old = default_vpc(tables, vpc.region)
            tables.vpcs[old.id] = old.model_copy(update={"default": False})
            changes["default"] = True
        elif body.default is False and vpc.default and call.method == "PATCH":
            raise Unprocessable(f"default: {vpc.name} is the default of {vpc.region}; make another one the default.")
        vpc = vpc.model_copy(update=changes)
        tables.vpcs[vpc.id] = vpc
    return _VPCS.reply(vpc)


def _replace(call: Call) -> Reply:
    if "name" not in call.json():
        raise Unprocessable("name: Field required")
    return _update(call)


def _delete(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        vpc = _VPCS.find(tables, call.param("id"))
        if vpc.default:
            raise Forbidden("Can not delete default VPCs")
        if members(tables, vpc):
            raise Forbidden("Can not delete VPC with members")
        del tables.vpcs[vpc.id]
    return NO_CONTENT


def _members(call: Call) -> Reply:
    tables = call.cloud.state.read()
    found = members(tables, _VPCS.find(tables, call.param("id")))
    wanted = call.query.get("resource_type", "")
    kinds = {"database": "do:dbaas:", "droplet": "do:droplet:", "app": "do:app:"}
    return page(call, "members", [item for item in found if item["urn"].startswith(kinds.get(wanted, "do:"))])


def _checked_name(tables: Tables, name: str) -> str:
    if not _NAME.match(name):
        raise Unprocessable(f"name {name!r}: allowed are 1 to 255 letters, digits, dots and dashes.")
    if any(vpc.name == name for vpc in tables.vpcs.values()):
        raise Unprocessable(f"name {name}: another VPC of the account has this name.")
    return name


def _checked_description(text: str) -> str:
    if len(text) > _MAX_DESCRIPTION:
        raise Unprocessable(f"description: {len(text)} characters. Allowed: {_MAX_DESCRIPTION}.")
    return text


ENDPOINTS: Routes = {
    **_VPCS.routes(_create, PUT=_replace, PATCH=_update, DELETE=_delete),
    "/v2/vpcs/{id}/members": {"GET": _members},
}
