"""/v2/account/keys: public SSH keys for new Droplets."""

import base64
import binascii
import hashlib

from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.compute.actions import new_number
from localcloud.api.errors import NotFound, Unprocessable
from localcloud.api.paging import page
from localcloud.compute import SshKey
from localcloud.state import Tables


class _Create(Body):
    name: str
    public_key: str


class _Update(Body):
    name: str


def find(tables: Tables, identifier: str) -> SshKey:
    """The key of an id or a fingerprint. Raises NotFound."""
    for key in tables.ssh_keys.values():
        if identifier in (str(key.id), key.fingerprint):
            return key
    raise NotFound(f"There is no SSH key with the id or fingerprint {identifier}.")


def _create(call: Call) -> Reply:
    body = call.read(_Create)
    fingerprint = _fingerprint(body.public_key)
    with call.cloud.state.transaction() as tables:
        if any(key.fingerprint == fingerprint for key in tables.ssh_keys.values()):
            raise Unprocessable("SSH Key is already in use on your account")
        key = SshKey(
            id=new_number(dict(tables.ssh_keys)),
            name=_checked_name(body.name),
            public_key=body.public_key.strip(),
            fingerprint=fingerprint,
        )
        tables.ssh_keys[str(key.id)] = key
    return Reply(status=201, body={"ssh_key": key.model_dump()})


def _list(call: Call) -> Reply:
    return page(call, "ssh_keys", [key.model_dump() for key in call.cloud.state.read().ssh_keys.values()])


def _get(call: Call) -> Reply:
    return Reply(body={"ssh_key": find(call.cloud.state.read(), call.param("id")).model_dump()})


def _update(call: Call) -> Reply:
    body = call.read(_Update)
    with call.cloud.state.transaction() as tables:
        key = find(tables, call.param("id")).model_copy(update={"name": _checked_name(body.name)})
        tables.ssh_keys[str(key.id)] = key
    return Reply(body={"ssh_key": key.model_dump()})


def _delete(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        del tables.ssh_keys[str(find(tables, call.param("id")).id)]
    return NO_CONTENT


def _checked_name(name: str) -> str:
    if not name.strip():
        raise Unprocessable("name: may not be empty.")
    return name


def _fingerprint(public_key: str) -> str:
    """MD5 of the key, as DigitalOcean shows it."""
    try:
        _, blob, *_ = public_key.split()
        digest = hashlib.md5(base64.b64decode(blob, validate=True), usedforsecurity=False).hexdigest()
    except (ValueError, binascii.Error):
        raise Unprocessable(
            'public_key: not a public key in OpenSSH\'s form. Write it like "ssh-ed25519 AAAA... name".'
        ) from None
    return ":".join(digest[start : start + 2] for start in range(0, len(digest), 2))


ENDPOINTS: Routes = {
    "/v2/account/keys": {"POST": _create, "GET": _list},
    "/v2/account/keys/{id}": {"GET": _get, "PUT": _update, "DELETE": _delete},
}
