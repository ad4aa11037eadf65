"""/client/v4/zones and the check of a token."""

import re
import uuid
from typing import Any

from localcloud.api.call import Body, Call, Reply, Routes
from localcloud.api.cloudflare.envelope import CloudflareError, listing, success
from localcloud.cloud import ACCOUNT_ID
from localcloud.records import Zone, now
from localcloud.state import Tables

_NAME = re.compile(r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}$")
_ACCOUNT = {"id": ACCOUNT_ID.replace("-", ""), "name": "Local cloud"}
_PER_PAGE = 20


class _Create(Body):
    name: str
    type: str = "full"


def find_zone(tables: Tables, id: str) -> Zone:
    """Raises CloudflareError."""
    try:
        return tables.zones[id]
    except KeyError:
        raise CloudflareError(404, 7003, f"Could not route to /zones/{id}: there is no zone with this id.") from None


def _create(call: Call) -> Reply:
    name = call.read(_Create).name.rstrip(".").lower()
    if not _NAME.match(name):
        raise CloudflareError(400, 1105, f"{name} is not a valid domain name.")
    with call.cloud.state.transaction() as tables:
        if any(zone.name == name for zone in tables.zones.values()):
            raise CloudflareError(400, 1061, f"{name} already exists.")
        zone = Zone(id=uuid.uuid4().hex, name=name, created_on=now())
        tables.zones[zone.id] = zone
    return success(_show(zone))


def _list(call: Call) -> Reply:
    zones = list(call.cloud.state.read().zones.values())
    if wanted := call.query.get("name", "").removeprefix("equal:").lower():
        zones = [zone for zone in zones if zone.name == wanted]
    return listing(call, [_show(zone) for zone in zones], _PER_PAGE)


def _get(call: Call) -> Reply:
    return success(_show(find_zone(call.cloud.state.read(), call.param("zone"))))


def _delete(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        zone = find_zone(tables, call.param("zone"))
        del tables.zones[zone.id]
        for record in [item for item in tables.dns_records.values() if item.zone_id == zone.id]:
            del tables.dns_records[record.id]
    return success({"id": zone.id})


def _verify(_call: Call) -> Reply:
    return success({"id": _ACCOUNT["id"], "status": "active"})


def _show(zone: Zone) -> dict[str, Any]:
    return {
        "id": zone.id,
        "name": zone.name,
        "status": "active",
        "paused": False,
        "type": "full",
        "development_mode": 0,
        "name_servers": ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"],
        "original_name_servers": [],
        "original_registrar": None,
        "original_dnshost": None,
        "created_on": zone.created_on,
        "modified_on": zone.created_on,
        "activated_on": zone.created_on,
        "account": _ACCOUNT,
        "owner": {"id": None, "type": "user", "email": None},
        "meta": {"step": 2, "custom_certificate_quota": 0, "page_rule_quota": 0, "phishing_detected": False},
        "permissions": ["#dns_records:edit", "#dns_records:read", "#zone:read"],
        "plan": {"id": "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee", "name": "Free Website", "price": 0, "currency": "USD"},
    }


ENDPOINTS: Routes = {
    "/client/v4/user/tokens/verify": {"GET": _verify},
    "/client/v4/zones": {"POST": _create, "GET": _list},
    "/client/v4/zones/{zone}": {"GET": _get, "DELETE": _delete},
}
