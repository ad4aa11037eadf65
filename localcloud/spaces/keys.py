"""Spaces keys: what each one may do, and where."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

FIRST_KEY = "DO00LOCALCLOUDFIRST0"
"""A key with full access that every local cloud has, as the account behind an API token has one: what makes the first
bucket. Its secret is the local cloud's token."""


class Need(StrEnum):
    """What a request needs to be allowed to do."""

    READ = "read objects, lists and settings"
    WRITE = "write and delete objects"
    MANAGE = "make, set up and delete buckets"


PERMISSIONS: Mapping[str, frozenset[Need]] = {
    "read": frozenset({Need.READ}),
    "readwrite": frozenset({Need.READ, Need.WRITE}),
    "fullaccess": frozenset(Need),
}
"""A grant's permission. Limited keys cannot manage buckets."""


@dataclass(frozen=True)
class Grant:
    """A permission on one bucket, or, with "", on all."""

    bucket: str
    permission: str


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key pair and what it may do."""

    access_key: str
    secret: str
    grants: tuple[Grant, ...]

    def allows(self, need: Need, bucket: str) -> bool:
        """Whether a grant covers this. bucket: "" for what concerns no bucket that is there."""
        return any(need in PERMISSIONS[item.permission] for item in self.grants if item.bucket in ("", bucket))


class Keys(Protocol):
    """The keys of the account."""

    def find(self, access_key: str) -> Key | None:
        """The key of this id."""

    def is_limited_to(self, bucket: str, /) -> bool:
        """Whether a key has a grant on just this bucket."""
