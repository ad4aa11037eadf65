"""/v2/spaces/keys: Spaces keys and their grants."""

import secrets
import string
from typing import Any

from localcloud.api.call import Body, Call, Reply, Routes
from localcloud.api.collection import Collection
from localcloud.api.errors import Unprocessable
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
    with call.cloud.state.transaction() as tables:
        record = _KEYS.put(tables, _key(call, tables, None))
    secret = call.cloud.vault.open(record.sealed_secret)
    return Reply(status=201, body={"key": {**_KEYS.show(call, record), "secret_key": secret}})


def _list(call: Call) -> Reply:
    order = call.query.get("sort", "created_at")
    if order not in _SORTED_BY:
        raise Unprocessable(f"sort: {order} cannot be used. Allowed: {', '.join(_SORTED_BY)}.")
    downwards = call.query.get("sort_direction", "desc") == "desc"
    return _KEYS.list(call, lambda key: str(getattr(key, order)), reverse=downwards)


def _key(call: Call, tables: Tables, old: SpacesKey | None) -> SpacesKey:
    if old is None:
        made = call.read(_Create)
        if len(tables.spaces_keys) >= MOST_KEYS:
            raise Unprocessable(f"An account has at most {MOST_KEYS} Spaces keys. Nothing was changed.")
        return SpacesKey(
            access_key="DO00" + "".join(secrets.choice(_ID_CHARACTERS) for _ in range(16)),
            sealed_secret=call.cloud.vault.seal(secrets.token_urlsafe(32)),
            name=_name(made.name),
            grants=_grants(call, made.grants),
            created_at=now(),
        )
    asked = call.read(_Update)
    changes: dict[str, Any] = {}
    if asked.name is not None:
        changes["name"] = _name(asked.name)
    if asked.grants is not None or call.method == "PUT":
        changes["grants"] = _grants(call, asked.grants or [])
    new = old.model_copy(update=changes)
    if _is_full(old.grants) != _is_full(new.grants):
        raise Unprocessable("grants: a key with full access stays one, and a limited one too. Make a new key.")
    return new


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


# The answer's root is documented as "keys", which no client reads.
_KEYS = Collection[SpacesKey](
    path="/v2/spaces/keys",
    param="access_key",
    table=lambda tables: tables.spaces_keys,
    root="key",
    noun="Spaces key",
    show=lambda _, key: key.model_dump(mode="json", exclude={"sealed_secret"}),
    make=_key,
    names=lambda key: (key.access_key,),
    filters={
        "name": lambda key: (key.name,),
        "bucket": lambda key: [grant.bucket for grant in key.grants],
        "permission": lambda key: [grant.permission for grant in key.grants],
    },
)

ENDPOINTS: Routes = _KEYS.routes(PATCH=_KEYS.update) | {_KEYS.path: {"GET": _list, "POST": _create}}
