"""Buckets that hold backups."""

import re
from collections.abc import Iterator

from pulumi_policy import Severity

from .kinds import BUCKET
from .resources import Resource, Stack
from .rules import Config, Finding, ResourceRule, Rule, StackRule

_DOCS = "https://docs.digitalocean.com/products/spaces/how-to"
_BACKUPS = {
    "names": {
        "type": "string",
        "default": "backup|wal|archive|dump",
        "description": "A regular expression that finds the buckets with backups by their names.",
    }
}


def _holds_backups(resource: Resource, config: Config) -> bool:
    return re.search(config["names"], f"{resource.name} {resource.called}") is not None


def _private(resource: Resource, config: Config) -> Iterator[str]:
    access = resource.fields.get("acl")
    if _holds_backups(resource, config) and access and access != "private":
        yield f"{resource.called} holds backups and has the access {access}."


def _versioned(resource: Resource, config: Config) -> Iterator[str]:
    if not _holds_backups(resource, config):
        return
    if not resource.fields.has("versioning") or resource.fields.object("versioning").get("enabled") in (None, False):
        yield f"{resource.called} holds backups and keeps no earlier versions of them."


def _expires(resource: Resource, config: Config) -> Iterator[str]:
    if not _holds_backups(resource, config):
        return
    if not resource.fields.has("lifecycleRules"):
        yield f"{resource.called} holds backups and never lets go of one."
        return
    rules = list(resource.fields.objects("lifecycleRules"))
    if rules and all(rule.get("enabled") in (None, False) for rule in rules):
        yield f"{resource.called} holds backups, and none of its lifecycle rules is enabled."


def _force(stack: Stack, _config: Config) -> Iterator[Finding]:
    for bucket in stack.of(BUCKET):
        if bucket.fields.get("forceDestroy"):
            yield Finding(
                message=f"{bucket.called} has forceDestroy: deleting it deletes what is in it.", urn=bucket.urn
            )


RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="backups-private",
        protects="A public bucket of backups is a public database.",
        fix="Leave acl out, or set it to private.",
        source=f"{_DOCS}/set-file-permissions/",
        severity=Severity.CRITICAL,
        types=frozenset({BUCKET}),
        check=_private,
        config=_BACKUPS,
    ),
    ResourceRule(
        name="backups-versioned",
        protects="Whoever can write to the bucket can overwrite every backup.",
        fix="Set versioning.enabled.",
        source=f"{_DOCS}/enable-versioning/",
        severity=Severity.HIGH,
        types=frozenset({BUCKET}),
        check=_versioned,
        config=_BACKUPS,
    ),
    ResourceRule(
        name="backups-expire",
        protects="Backups that never go away cost more every month, and deleted data live on in them.",
        fix="Add an enabled lifecycle rule with an expiration.",
        source=f"{_DOCS}/configure-lifecycle-rules/",
        severity=Severity.MEDIUM,
        types=frozenset({BUCKET}),
        check=_expires,
        config=_BACKUPS,
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
