"""/v2/spaces/keys: Spaces keys and their grants."""

import secrets
import string
from typing import Any

from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.errors import NotFound, Unprocessable
from localcloud.api.paging import page
from localcloud.records import SpacesGrant, SpacesKey, now
from localcloud.spaces.errors import S3Error
from localcloud.spaces.keys import PERMISSIONS
from localcloud.state import Tables

MOST_KEYS = 200
"""DigitalOcean's limit for an account."""

_ID_CHARACTERS = string.ascii_uppercase + string.digits
_SORTED_BY = ("created_at", "name")


class _Grant(Body):
    bucket: str = ""
    permission: str


class _Create(Body):
    name: str
    grants: list[_Grant] = []


class _Update(Body):
    name: str | None = None
    grants: list[_Grant] | None = None


def _create(call: Call) -> Reply:
    asked = call.read(_Create)
    name, grants = _name(asked.name), _grants(call, asked.grants)
    secret = secrets.token_urlsafe(32)
    record = SpacesKey(
        access_key="DO00" + "".join(secrets.choice(_ID_CHARACTERS) for _ in range(16)),
        sealed_secret=call.cloud.vault.seal(secret),
        name=name,
        grants=grants,
        created_at=now(),
    )
    with call.cloud.state.transaction() as tables:
        if len(tables.spaces_keys) >= MOST_KEYS:
            raise Unprocessable(f"An account has at most {MOST_KEYS} Spaces keys. Nothing was changed.")
        tables.spaces_keys[record.access_key] = record
    return Reply(status=201, body={"key": {**_show(record), "secret_key": secret}})


def _list(call: Call) -> Reply:
    keys = list(call.cloud.state.read().spaces_keys.values())
    for name in ("name", "bucket", "permission"):
        if name in call.query:
            keys = [key for key in keys if call.query[name] in _values(key, name)]
    order = call.query.get("sort", "created_at")
    if order not in _SORTED_BY:
        raise Unprocessable(f"sort: {order} cannot be used. Allowed: {', '.join(_SORTED_BY)}.")
    keys.sort(key=lambda key: str(getattr(key, order)), reverse=call.query.get("sort_direction", "desc") == "desc")
    return page(call, "keys", [_show(key) for key in keys])


def _get(call: Call) -> Reply:
    # Documented as "keys", which no client reads.
    return Reply(body={"key": _show(_known(call, call.cloud.state.read()))})


def _update(call: Call) -> Reply:
    asked = call.read(_Update)
    changes: dict[str, Any] = {}
    if asked.name is not None:
        changes["name"] = _name(asked.name)
    if asked.grants is not None or call.method == "PUT":
        changes["grants"] = _grants(call, asked.grants or [])
    with call.cloud.state.transaction() as tables:
        old = _known(call, tables)
        new = old.model_copy(update=changes)
        if _is_full(old.grants) != _is_full(new.grants):
            raise Unprocessable("grants: a key with full access stays one, and a limited one too. Make a new key.")
        tables.spaces_keys[new.access_key] = new
    return Reply(body={"key": _show(new)})


def _delete(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        del tables.spaces_keys[_known(call, tables).access_key]
    return NO_CONTENT


def _known(call: Call, tables: Tables) -> SpacesKey:
    record = tables.spaces_keys.get(call.param("access_key"))
    if record is None:
        raise NotFound(f"There is no Spaces key {call.param('access_key')}.")
    return record


def _name(name: str) -> str:
    if not name.strip():
        raise Unprocessable("name: must not be empty.")
    return name


def _grants(call: Call, grants: list[_Grant]) -> tuple[SpacesGrant, ...]:
    for grant in grants:
        if grant.permission not in PERMISSIONS:
            allowed = ", ".join(PERMISSIONS)
            raise Unprocessable(f"grants: permission {grant.permission!r} cannot be used. Allowed: {allowed}.")
        if (grant.permission == "fullaccess") != (grant.bucket == ""):
            raise Unprocessable("grants: fullaccess is for all buckets, and read and readwrite for one that is named.")
        if grant.bucket and _has_policy(call, grant.bucket):
            raise Unprocessable(f"grants: {grant.bucket} has a bucket policy; such a bucket takes no limited key.")
    found = tuple(SpacesGrant(bucket=grant.bucket, permission=grant.permission) for grant in grants)
    if _is_full(found) and len(found) > 1:
        raise Unprocessable("grants: fullaccess stands alone.")
    return found


def _has_policy(call: Call, bucket: str) -> bool:
    with call.cloud.spaces.store.transaction() as transaction:
        try:
            return transaction.bucket(bucket).policy != ""
        except S3Error:
            return False


def _is_full(grants: tuple[SpacesGrant, ...]) -> bool:
    return any(grant.permission == "fullaccess" for grant in grants)


def _values(key: SpacesKey, name: str) -> list[str]:
    return [key.name] if name == "name" else [str(getattr(grant, name)) for grant in key.grants]


def _show(key: SpacesKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "access_key": key.access_key,
        "grants": [grant.model_dump() for grant in key.grants],
        "created_at": key.created_at,
    }


ENDPOINTS: Routes = {
    "/v2/spaces/keys": {"GET": _list, "POST": _create},
    "/v2/spaces/keys/{access_key}": {"GET": _get, "PATCH": _update, "PUT": _update, "DELETE": _delete},
}
