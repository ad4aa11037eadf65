"""The account's Spaces keys, as the S3 API sees them."""

from localcloud.records import SpacesGrant, SpacesKey, now
from localcloud.spaces.keys import FIRST_KEY, Grant, Key
from localcloud.state import State, Tables
from localcloud.vault import Vault


class AccountKeys:
    """Finds keys among the records, and opens their secrets."""

    def __init__(self, state: State, vault: Vault) -> None:
        self._state = state
        self._vault = vault

    def find(self, access_key: str) -> Key | None:
        record = self._state.read().spaces_keys.get(access_key)
        if record is None:
            return None
        return Key(
            access_key=access_key,
            secret=self._vault.open(record.sealed_secret),
            grants=tuple(Grant(item.bucket, item.permission) for item in record.grants),
        )

    def is_limited_to(self, bucket: str, /) -> bool:
        keys = self._state.read().spaces_keys.values()
        return any(item.bucket == bucket for key in keys for item in key.grants)


def add_first_key(tables: Tables, vault: Vault, secret: str) -> None:
    """Makes sure the first key is there, and has this secret: earlier versions had one that everybody knew."""
    known = tables.spaces_keys.get(FIRST_KEY)
    if known is None or vault.open(known.sealed_secret) != secret:
        tables.spaces_keys[FIRST_KEY] = SpacesKey(
            access_key=FIRST_KEY,
            sealed_secret=vault.seal(secret),
            name="local-cloud",
            grants=(SpacesGrant(bucket="", permission="fullaccess"),),
            created_at=now(),
        )
