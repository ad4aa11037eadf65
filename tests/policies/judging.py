"""A policy's verdict without an engine: resources as the SDK hands them over, unknown values included."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy import (
    PolicyCustomTimeouts,
    PolicyProviderResource,
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy
from pulumi_policy.secret import secrets_preserving_proxy

from policies.pack import POSTPONED, RULES, SETTINGS, Pack
from policies.rules import Rule

UNKNOWN = UNKNOWN_STRING_VALUE


def made(
    kind: str,
    name: str = "it",
    properties: Mapping[str, Any] | None = None,
    *,
    after: Sequence[PolicyResource] = (),
    of: Mapping[str, PolicyResource] | None = None,
    protect: bool = False,
    delete_before_replace: bool | None = None,
    api: str | None = None,
    stack: str = "prod",
    inside: PolicyResource | None = None,
    ignore_changes: Sequence[str] = (),
) -> PolicyResource:
    """A resource.

    after: what it waits for. of: property -> the resource whose output it is made of. inside: its component.

    A component is what has no provider: a type that names none of the packages below.
    """
    options = PolicyResourceOptions(
        protect, list(ignore_changes), delete_before_replace, [], PolicyCustomTimeouts(0, 0, 0), []
    )
    package = kind.partition(":")[0]
    provider = None
    if package in ("digitalocean", "pulumi-python"):
        address = {"apiEndpoint": api} if api else {}
        provider = PolicyProviderResource(f"pulumi:providers:{package}", unknown_checking_proxy(address), "", "default")
    return PolicyResource(
        kind,
        unknown_checking_proxy(dict(properties or {})),
        f"urn:pulumi:{stack}::test::{kind}::{name}",
        name,
        options,
        provider,
        inside,
        [*after, *(of or {}).values()],
        {key: [one] for key, one in (of or {}).items()},
    )


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of a table.

    breaks: a part of the finding expected; None when the policy is kept. waits: the paths that only `up` will know.
    settings: of the policy. stack: the pack-wide settings.
    """

    policy: str
    title: str
    resources: Sequence[PolicyResource]
    breaks: str | None = None
    waits: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    stack: Mapping[str, Any] = field(default_factory=lambda: {"phase": "scale"})

    def __str__(self) -> str:
        return f"{self.policy}: {self.title}"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a policy found and what it left to `up`."""

    findings: Sequence[str]
    waiting: str


def judge(case: Case, rules: Sequence[Rule] = RULES) -> Verdict:
    """Runs one policy of the pack as the SDK does, with the pack's first and last policy around it."""
    policies = {policy.name: policy for policy in Pack(rules).policies}
    findings: list[str] = []
    waiting: list[str] = []

    def report(message: str, _urn: str | None) -> None:
        findings.append(message)

    def nobody(_message: str, _urn: str | None) -> None:
        pass

    def postponed(message: str, _urn: str | None) -> None:
        waiting.append(message)

    def of_stack(name: str, settings: Mapping[str, Any], to: Any) -> None:
        policy = policies[name]
        assert isinstance(policy, StackValidationPolicy)
        policy.validate(StackValidationArgs(list(case.resources), dict(settings)), to)

    of_stack(SETTINGS, case.stack, nobody)
    policy = policies[case.policy]
    if isinstance(policy, ResourceValidationPolicy):
        for resource in case.resources:
            if policy.has_remediation():
                policy.remediate(arguments(resource, secrets_preserving_proxy(raw(resource.props)), case.settings))
            policy.validate(arguments(resource, resource.props, case.settings), report)
    else:
        of_stack(case.policy, case.settings, report)
    of_stack(POSTPONED, {}, postponed)
    return Verdict(findings=findings, waiting="\n".join(waiting))


def arguments(resource: PolicyResource, properties: Any, settings: Mapping[str, Any]) -> ResourceValidationArgs:
    """What a resource's policy gets. properties: the inputs, in whichever of the SDK's wrappings."""
    return ResourceValidationArgs(
        resource.resource_type,
        properties,
        resource.urn,
        resource.name,
        resource.opts,
        resource.provider,
        dict(settings),
    )


def raw(value: Any) -> Any:
    """What the SDK's proxies stand for; they themselves raise when an unknown value is read."""
    value = getattr(value, f"_{type(value).__name__.lstrip('_')}__target", value)
    if isinstance(value, dict):
        return {key: raw(one) for key, one in value.items()}
    return [raw(one) for one in value] if isinstance(value, list) else value
