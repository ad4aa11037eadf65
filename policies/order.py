"""What must stand before what."""

import re
from collections.abc import Iterator

from pulumi_policy import Severity

from .kinds import APP, CLUSTER, FIREWALL
from .resources import Resource, Stack
from .rules import Config, Finding, Rule, StackRule

_DEPENDS_ON = "https://www.pulumi.com/docs/iac/concepts/resources/options/dependson/"
_MIGRATIONS = {
    "types": {
        "type": "string",
        "default": r"[Mm]igrations?$",
        "description": "A regular expression that finds the resources that migrate a schema by their types.",
    }
}


def _migrations(stack: Stack, config: Config) -> list[Resource]:
    return [one for one in stack.resources if not one.is_component and re.search(config["types"], one.type)]


def _after_trusted_sources(stack: Stack, config: Config) -> Iterator[Finding]:
    for migration in _migrations(stack, config):
        for cluster in stack.of(CLUSTER):
            if not migration.comes_after(cluster):
                continue
            for firewall in stack.of_cluster(cluster, FIREWALL):
                if not migration.comes_after(firewall):
                    yield Finding(
                        message=f"{migration.name} does not wait for {firewall.name}: it may run while "
                        f"{cluster.called} is open to everybody, or be refused.",
                        urn=migration.urn,
                    )


def _after_migrations(stack: Stack, config: Config) -> Iterator[Finding]:
    for app in stack.of(APP):
        for cluster in stack.of(CLUSTER):
            if not app.comes_after(cluster):
                continue
            migrations = [one for one in _migrations(stack, config) if one.comes_after(cluster)]
            if migrations and not any(app.comes_after(one) for one in migrations):
                yield Finding(
                    message=f"{app.called} uses {cluster.called} and waits for none of its migrations: it may start "
                    "on a schema that is not there.",
                    urn=app.urn,
                )


RULES: tuple[Rule, ...] = (
    StackRule(
        name="migrations-after-trusted-sources",
        protects="Data lie in a cluster that is still open to the internet.",
        fix="Let the migration depend on the cluster's DatabaseFirewall.",
        source=_DEPENDS_ON,
        severity=Severity.HIGH,
        check=_after_trusted_sources,
        config=_MIGRATIONS,
    ),
    StackRule(
        name="apps-after-migrations",
        protects="An app that is deployed before its schema fails its first requests, or its deployment.",
        fix="Let the app, or the pool it uses, depend on the migration.",
        source=_DEPENDS_ON,
        severity=Severity.HIGH,
        check=_after_migrations,
        config=_MIGRATIONS,
    ),
)
