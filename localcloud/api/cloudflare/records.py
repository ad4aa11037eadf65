"""/client/v4/zones/{zone}/dns_records: the records of a zone."""

import ipaddress
import re
import uuid
from typing import Any

from localcloud.api.call import Body, Call, Reply, Routes
from localcloud.api.cloudflare.envelope import CloudflareError, listing, success
from localcloud.api.cloudflare.zones import find_zone
from localcloud.records import DnsRecord, Zone, now
from localcloud.state import Tables

_HOST = re.compile(r"^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$")
_ADDRESS_TYPES = ("A", "AAAA", "CNAME")
_TYPES = (*_ADDRESS_TYPES, "TXT", "MX", "NS")
_AUTOMATIC = 1
_TTL = range(60, 86_401)
_PER_PAGE = 100


class _Record(Body):
    name: str
    type: str
    content: str
    ttl: int = _AUTOMATIC
    proxied: bool = False
    priority: int | None = None
    comment: str | None = None
    tags: list[str] | None = None
    settings: dict[str, Any] | None = None


def _put(call: Call) -> Reply:
    """POST makes a record, PUT puts another in its place, PATCH changes what is given."""
    with call.cloud.state.transaction() as tables:
        zone = find_zone(tables, call.param("zone"))
        old = None if call.method == "POST" else _find(tables, zone, call)
        body = call.read(_Record, old.model_dump() if old and call.method == "PATCH" else None)
        id, created = (old.id, old.created_on) if old else (uuid.uuid4().hex, now())
        record = _checked(tables, zone, _build(zone, body, id, created))
        tables.dns_records[record.id] = record
    return success(_show(record, zone))


def _list(call: Call) -> Reply:
    tables = call.cloud.state.read()
    zone = find_zone(tables, call.param("zone"))
    records = [record for record in tables.dns_records.values() if record.zone_id == zone.id]
    for field in ("name", "type", "content"):
        if wanted := call.query.get(field) or call.query.get(f"{field}.exact"):
            records = [record for record in records if getattr(record, field).lower() == wanted.lower()]
    return listing(call, [_show(record, zone) for record in records], _PER_PAGE)


def _get(call: Call) -> Reply:
    tables = call.cloud.state.read()
    zone = find_zone(tables, call.param("zone"))
    return success(_show(_find(tables, zone, call), zone))


def _delete(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        record = _find(tables, find_zone(tables, call.param("zone")), call)
        del tables.dns_records[record.id]
    return success({"id": record.id})


def _find(tables: Tables, zone: Zone, call: Call) -> DnsRecord:
    record = tables.dns_records.get(call.param("id"))
    if record is None or record.zone_id != zone.id:
        raise CloudflareError(404, 81044, "Record does not exist.")
    return record


def _build(zone: Zone, body: _Record, id: str, created_on: str) -> DnsRecord:
    return DnsRecord(
        id=id,
        zone_id=zone.id,
        name=_full_name(zone, body.name),
        type=body.type.upper(),
        content=body.content,
        # A proxied record has Cloudflare's own lifetime, shown as 1.
        ttl=_AUTOMATIC if body.proxied else body.ttl,
        proxied=body.proxied,
        priority=body.priority,
        comment=body.comment,
        tags=tuple(body.tags or ()),
        settings=body.settings or {},
        created_on=created_on,
        modified_on=now(),
    )


def _full_name(zone: Zone, name: str) -> str:
    short = name.rstrip(".").lower()
    if short in ("", "@", zone.name):
        return zone.name
    return short if short.endswith(f".{zone.name}") else f"{short}.{zone.name}"


def _checked(tables: Tables, zone: Zone, record: DnsRecord) -> DnsRecord:
    if record.type not in _TYPES:
        raise CloudflareError(400, 9001, f"DNS record type {record.type} is not supported here: {', '.join(_TYPES)}.")
    if not _HOST.match(record.name) or len(record.name) > 253:
        raise CloudflareError(400, 9000, f"DNS name {record.name} is invalid.")
    if record.ttl != _AUTOMATIC and record.ttl not in _TTL:
        raise CloudflareError(400, 9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.")
    if record.proxied and record.type not in _ADDRESS_TYPES:
        raise CloudflareError(400, 9004, f"This record type cannot be proxied. Allowed: {', '.join(_ADDRESS_TYPES)}.")
    _check_content(record)
    _check_neighbours(tables, zone, record)
    return record


def _check_content(record: DnsRecord) -> None:
    if record.type == "A" and not _is_address(record.content, 4):
        raise CloudflareError(400, 9005, "Content for A record must be a valid IPv4 address.")
    if record.type == "AAAA" and not _is_address(record.content, 6):
        raise CloudflareError(400, 9006, "Content for AAAA record must be a valid IPv6 address.")
    if record.type in ("CNAME", "NS", "MX"):
        host = record.content.rstrip(".").lower()
        if not _HOST.match(host) or "." not in host or _is_address(host, 4):
            raise CloudflareError(400, 9007, f"Content for {record.type} record is invalid: it must be a host name.")
        if record.type == "CNAME" and host == record.name:
            raise CloudflareError(400, 9039, "CNAME content cannot reference itself.")
    if record.type == "MX" and record.priority is None:
        raise CloudflareError(400, 9101, "priority is a required data field for an MX record.")


def _check_neighbours(tables: Tables, zone: Zone, record: DnsRecord) -> None:
    for other in tables.dns_records.values():
        if other.id == record.id or other.zone_id != zone.id or other.name != record.name:
            continue
        if record.type == "CNAME" and other.type in _ADDRESS_TYPES:
            raise CloudflareError(400, 81053, "An A, AAAA, or CNAME record with that host already exists.")
        if other.type == "CNAME" and record.type in _ADDRESS_TYPES:
            raise CloudflareError(400, 81054, "A CNAME record with that host already exists.")
        if (other.type, other.content) == (record.type, record.content):
            raise CloudflareError(400, 81058, "An identical record already exists.")


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def _show(record: DnsRecord, zone: Zone) -> dict[str, Any]:
    hidden = {"zone_id"} | ({"priority"} if record.priority is None else set()) | {"data"}
    return record.model_dump(mode="json", exclude=hidden) | {
        "proxiable": record.type in _ADDRESS_TYPES,
        "meta": {},
        "zone_id": zone.id,
        "zone_name": zone.name,
    }


_PATH = "/client/v4/zones/{zone}/dns_records"

ENDPOINTS: Routes = {
    _PATH: {"POST": _put, "GET": _list},
    _PATH + "/{id}": {"GET": _get, "PUT": _put, "PATCH": _put, "DELETE": _delete},
}
