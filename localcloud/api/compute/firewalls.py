"""/v2/firewalls: rules for Droplets, which the kernel follows before a call is answered."""

import ipaddress
import re
import uuid
from typing import Any, Literal

from pydantic import field_validator

from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.collection import Collection
from localcloud.api.databases import checks
from localcloud.api.errors import Conflict, Unprocessable
from localcloud.compute import Firewall
from localcloud.records import now
from localcloud.state import Tables

_NAME = re.compile(r"^[a-zA-Z0-9][a-zA-Z0-9.-]{0,254}$")
_PORTS = re.compile(r"^(\d{1,5})(-(\d{1,5}))?$|^all$")


class _Targets(Body):
    """Who a rule is about. Empty lists are left out, as DigitalOcean does."""

    addresses: list[str] | None = None
    droplet_ids: list[int] | None = None
    load_balancer_uids: list[str] | None = None
    kubernetes_ids: list[str] | None = None
    tags: list[str] | None = None

    @field_validator("addresses")
    @classmethod
    def _are_networks(cls, values: list[str] | None) -> list[str] | None:
        for value in values or ():
            ipaddress.ip_network(value, strict=False)
        return values


class _Rule(Body):
    protocol: Literal["tcp", "udp", "icmp"]
    ports: str = ""


class _Inbound(_Rule):
    sources: _Targets


class _Outbound(_Rule):
    destinations: _Targets


class _Put(Body):
    name: str
    inbound_rules: list[_Inbound] | None = None
    outbound_rules: list[_Outbound] | None = None
    droplet_ids: list[int] | None = None
    tags: list[str] | None = None


class _Members(Body):
    droplet_ids: list[int] = []
    tags: list[str] = []


def _firewall(call: Call, tables: Tables, old: Firewall | None) -> Firewall:
    id, time = (old.id, old.created_at) if old else (str(uuid.uuid4()), now())
    return Firewall(id=id, created_at=time, **_checked(tables, call.read(_Put), id))


def _members(call: Call) -> Reply:
    """POST adds Droplets or tags, DELETE takes them out."""
    body = call.read(_Members)
    with call.cloud.state.transaction() as tables:
        firewall = _FIREWALLS.here(call, tables)
        ids = [id for id in firewall.droplet_ids if id not in body.droplet_ids]
        tags = [name for name in firewall.tags if name not in body.tags]
        if call.method == "POST":
            ids, tags = ids + body.droplet_ids, tags + body.tags
        changes = {"droplet_ids": _existing(tables, ids), "tags": checks.tags(tags)}
        _FIREWALLS.put(tables, firewall.model_copy(update=changes))
    _FIREWALLS.changed(call)
    return NO_CONTENT


def _checked(tables: Tables, body: _Put, own_id: str) -> dict[str, Any]:
    if not _NAME.match(body.name):
        raise Unprocessable(f"name {body.name!r}: allowed are letters, digits, dots and dashes, no dash or dot first.")
    if any(other.name == body.name and other.id != own_id for other in tables.firewalls.values()):
        raise Conflict("duplicate name")
    inbound, outbound = body.inbound_rules or [], body.outbound_rules or []
    if not inbound and not outbound:
        raise Unprocessable("inbound_rules, outbound_rules: at least one rule must be given.")
    return {
        "name": body.name,
        "inbound_rules": tuple(_rule(rule, "sources", rule.sources) for rule in inbound),
        "outbound_rules": tuple(_rule(rule, "destinations", rule.destinations) for rule in outbound),
        "droplet_ids": _existing(tables, body.droplet_ids or []),
        "tags": checks.tags(body.tags),
    }


def _rule(rule: _Rule, side: str, targets: _Targets) -> dict[str, Any]:
    given = {name: value for name, value in targets.model_dump().items() if value}
    if not given:
        raise Unprocessable(f"{side}: a rule for {rule.protocol} names nobody.")
    return {"protocol": rule.protocol, "ports": _ports(rule), side: given}


def _ports(rule: _Rule) -> str:
    """As DigitalOcean gives them back: "0" stands for all. ICMP has none, and keeps what was sent."""
    if rule.protocol == "icmp":
        return rule.ports or "0"
    if not _PORTS.match(rule.ports):
        raise Unprocessable(f'ports {rule.ports!r}: write one port, a range such as "8000-9000", or "all".')
    return "0" if rule.ports in ("all", "0") else rule.ports


def _existing(tables: Tables, ids: list[int]) -> tuple[int, ...]:
    for id in ids:
        if str(id) not in tables.droplets:
            raise Unprocessable(f"droplet_ids: there is no Droplet with the id {id}.")
    return tuple(dict.fromkeys(ids))


_FIREWALLS = Collection[Firewall](
    path="/v2/firewalls",
    table=lambda tables: tables.firewalls,
    root="firewall",
    show=lambda _, firewall: firewall.model_dump(mode="json") | {"status": "succeeded", "pending_changes": []},
    make=_firewall,
    created=202,
    changed=lambda call: call.cloud.droplets.follow_firewalls(),
)


ENDPOINTS: Routes = _FIREWALLS.routes() | {
    f"/v2/firewalls/{{id}}/{members}": {"POST": _members, "DELETE": _members} for members in ("droplets", "tags")
}
