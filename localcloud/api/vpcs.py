"""/v2/vpcs: private networks."""

import re
import uuid
from typing import Any

from localcloud.api.call import Body, Call, Reply, Routes
from localcloud.api.collection import Collection
from localcloud.api.errors import Forbidden, Unprocessable
from localcloud.api.paging import page
from localcloud.networks import RangeRefused, check_range, check_region, default_vpc, free_range
from localcloud.records import Vpc, now
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
    databases = [*tables.clusters.values(), *tables.replicas.values()]
    inside: list[Any] = [item for item in databases if item.private_network_uuid == vpc.id]
    inside += [droplet for droplet in tables.droplets.values() if droplet.vpc_uuid == vpc.id]
    inside += [app for app in tables.apps.values() if app.spec.get("vpc", {}).get("id") == vpc.id]
    return [{"urn": item.urn, "name": item.name, "created_at": item.created_at} for item in inside]


def _vpc(call: Call, tables: Tables, old: Vpc | None) -> Vpc:
    if old is None:
        return _new(call.read(_Create), tables)
    body = call.read(_Update)
    changes: dict[str, Any] = {}
    if call.method == "PUT" and body.name is None:
        raise Unprocessable("name: Field required")
    if body.name is not None and body.name != old.name:
        changes["name"] = _checked_name(tables, body.name)
    if body.description is not None:
        changes["description"] = _checked_description(body.description)
    if body.default and not old.default:
        before = default_vpc(tables, old.region)
        tables.vpcs[before.id] = before.model_copy(update={"default": False})
        changes["default"] = True
    elif body.default is False and old.default and call.method == "PATCH":
        raise Unprocessable(f"default: {old.name} is the default of {old.region}; make another one the default.")
    return old.model_copy(update=changes)


def _new(body: _Create, tables: Tables) -> Vpc:
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
    _VPCS.put(tables, vpc)
    # After ours, so that the range the region's default network picks keeps clear of the one asked for.
    default_vpc(tables, region)
    return vpc


def _stays(_call: Call, tables: Tables, vpc: Vpc) -> None:
    if vpc.default:
        raise Forbidden("Can not delete default VPCs")
    if members(tables, vpc):
        raise Forbidden("Can not delete VPC with members")


def _members(call: Call) -> Reply:
    tables = call.cloud.state.read()
    found = members(tables, _VPCS.here(call, tables))
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


_VPCS = Collection[Vpc](
    path="/v2/vpcs",
    table=lambda tables: tables.vpcs,
    root="vpc",
    noun="VPC",
    show=lambda _, vpc: vpc.model_dump() | {"urn": vpc.urn},
    make=_vpc,
    let_go=_stays,
)

ENDPOINTS: Routes = {**_VPCS.routes(PATCH=_VPCS.update), "/v2/vpcs/{id}/members": {"GET": _members}}
