"""/v2/account/keys: public SSH keys for new Droplets."""

import base64
import binascii
import hashlib

from localcloud.api.call import Body, Call
from localcloud.api.collection import Collection
from localcloud.api.compute.actions import new_number
from localcloud.api.errors import Unprocessable
from localcloud.compute import SshKey
from localcloud.state import Tables


class _Create(Body):
    name: str
    public_key: str


class _Update(Body):
    name: str


def _key(call: Call, tables: Tables, old: SshKey | None) -> SshKey:
    if old is not None:
        return old.model_copy(update={"name": _checked_name(call.read(_Update).name)})
    body = call.read(_Create)
    fingerprint = _fingerprint(body.public_key)
    if any(key.fingerprint == fingerprint for key in tables.ssh_keys.values()):
        raise Unprocessable("SSH Key is already in use on your account")
    return SshKey(
        id=new_number(dict(tables.ssh_keys)),
        name=_checked_name(body.name),
        public_key=body.public_key.strip(),
        fingerprint=fingerprint,
    )


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


KEYS = Collection[SshKey](
    path="/v2/account/keys",
    table=lambda tables: tables.ssh_keys,
    root="ssh_key",
    noun="SSH key",
    make=_key,
    names=lambda key: (str(key.id), key.fingerprint),
)

ENDPOINTS = KEYS.routes()
