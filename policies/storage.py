"""Buckets, and the keys to them."""

import json
import re
from collections.abc import Iterator
from typing import Any

from pulumi_policy import Severity

from .fields import UNKNOWN, Fields
from .kinds import BUCKET, BUCKET_OBJECT, BUCKET_POLICY, SPACES_KEY
from .resources import Resource, Stack
from .rules import Config, Finding, ResourceRule, Rule, StackRule

_DOCS = "https://docs.digitalocean.com/products/spaces/how-to"
# Ten years. What is kept longer is kept for ever.
LONGEST_DAYS = 3650
_PUBLIC = {
    "public": {
        "type": "array",
        "items": {"type": "string"},
        "default": [],
        "description": "Buckets that hold nothing but what everybody may read.",
    }
}


def _holds_data(resource: Resource, config: Config) -> bool:
    """Every bucket does that is not said to be public: its name tells nothing."""
    return not {resource.name, resource.called} & set(config["public"])


def _private(stack: Stack, config: Config) -> Iterator[Finding]:
    public = [bucket for bucket in stack.of(BUCKET) if not _holds_data(bucket, config)]
    for resource in stack.of(BUCKET, BUCKET_OBJECT, BUCKET_POLICY):
        if resource in public or any(_is_in(resource, bucket) for bucket in public):
            continue
        if resource.type == BUCKET_POLICY:
            opened = "policy" if _admits_everybody(resource.fields.get("policy")) else None
        else:
            access = resource.fields.get("acl")
            opened = f"acl {access}" if access and access != "private" else None
        if opened:
            yield Finding(message=f"{resource.called} is open to everybody by its {opened}.", urn=resource.urn)


def _is_in(resource: Resource, bucket: Resource) -> bool:
    name = bucket.fields.peek("name")
    return resource.made_from("bucket", bucket) or (isinstance(name, str) and resource.fields.peek("bucket") == name)


def _admits_everybody(policy: Any) -> bool:
    """Whether a bucket policy, as JSON, allows anybody anything. One that cannot be read is taken to."""
    if not isinstance(policy, str):
        return False
    try:
        statements = json.loads(policy)["Statement"]
        return any(
            one["Effect"] == "Allow"
            and ("NotPrincipal" in one or any("*" in str(name) for name in _everyone(one.get("Principal"))))
            for one in (statements if isinstance(statements, list) else [statements])
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return True


def _everyone(principal: Any) -> list[Any]:
    """The names in a principal, which is one, a list of them, or an object of either."""
    if isinstance(principal, dict):
        return [name for value in principal.values() for name in _everyone(value)]
    return principal if isinstance(principal, list) else [principal]


def _narrow(resource: Resource, _config: Config) -> Iterator[str]:
    if not resource.fields.has("grants"):
        yield f"{resource.called} has no grants."
    for grant in resource.fields.objects("grants"):
        if str(grant.get("permission") or "").lower() == "fullaccess":
            yield f"{resource.called} has full access to every bucket of the account."
        elif not grant.has("bucket"):
            yield f"{resource.called} has a grant that names no bucket."
        elif grant.get("bucket") == "*":
            yield f"{resource.called} has a grant on every bucket."


def _versioned(resource: Resource, config: Config) -> Iterator[str]:
    if not _holds_data(resource, config):
        return
    if not resource.fields.has("versioning") or resource.fields.object("versioning").get("enabled") in (None, False):
        yield f"{resource.called} keeps no earlier versions of what is in it."


def _expires(resource: Resource, config: Config) -> Iterator[str]:
    if re.search(config["names"], f"{resource.name} {resource.called}") is None:
        return
    if not resource.fields.has("lifecycleRules"):
        yield f"{resource.called} holds backups and never lets go of one."
        return
    rules = list(resource.fields.objects("lifecycleRules"))
    if rules and not any(_lets_go(rule) for rule in rules):
        yield f"{resource.called} holds backups, and no enabled rule of its lifecycle has an expiration."


def _lets_go(rule: Fields) -> bool:
    ends = (rule.object(name) for name in ("expiration", "noncurrentVersionExpiration") if rule.has(name))
    return any(map(_comes, ends)) and (rule.get("enabled") is UNKNOWN or bool(rule.get("enabled")))


def _comes(end: Fields) -> bool:
    """Whether a time is named that somebody will see. One that is not known yet is taken for good."""
    days = end.get("days")
    return end.has("date") or days is UNKNOWN or (isinstance(days, int | float) and 0 < days <= LONGEST_DAYS)


def _force(stack: Stack, _config: Config) -> Iterator[Finding]:
    for bucket in stack.of(BUCKET):
        if bucket.fields.get("forceDestroy"):
            yield Finding(
                message=f"{bucket.called} has forceDestroy: deleting it deletes what is in it.", urn=bucket.urn
            )


RULES: tuple[Rule, ...] = (
    StackRule(
        name="bucket-private",
        protects="A public bucket of backups is a public database.",
        fix="Leave acl out and let the policy name accounts, or name the bucket under public in the pack's config.",
        source=f"{_DOCS}/set-file-permissions/",
        severity=Severity.CRITICAL,
        check=_private,
        config=_PUBLIC,
    ),
    ResourceRule(
        name="spaces-key-narrow",
        protects="A key to every bucket, lost with one app, is lost for all of them, backups included.",
        fix="Give the key grants of read or readwrite on the buckets that it is for.",
        source=f"{_DOCS}/manage-access/",
        severity=Severity.HIGH,
        types=frozenset({SPACES_KEY}),
        check=_narrow,
    ),
    ResourceRule(
        name="bucket-versioned",
        protects="Whoever can write to the bucket can overwrite every backup.",
        fix="Set versioning.enabled.",
        source=f"{_DOCS}/enable-versioning/",
        severity=Severity.HIGH,
        types=frozenset({BUCKET}),
        check=_versioned,
        config=_PUBLIC,
    ),
    ResourceRule(
        name="backups-expire",
        protects="Backups that never go away cost more every month, and deleted data live on in them.",
        fix="Add an enabled lifecycle rule with an expiration.",
        source=f"{_DOCS}/configure-lifecycle-rules/",
        severity=Severity.MEDIUM,
        types=frozenset({BUCKET}),
        check=_expires,
        config={
            "names": {
                "type": "string",
                "default": "backup|wal|archive|dump",
                "description": "A regular expression that finds the buckets with backups by their names.",
            }
        },
    ),
    StackRule(
        name="no-force-destroy",
        protects="A removed line of code deletes a bucket with everything in it.",
        fix="Remove forceDestroy, or name the stack under developmentStacks in the pack's config.",
        source="https://www.pulumi.com/registry/packages/digitalocean/api-docs/spacesbucket/",
        severity=Severity.HIGH,
        check=_force,
        spares_development=True,
    ),
)
