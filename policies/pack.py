"""The policies in the shape that Pulumi's policy SDK serves."""

import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from trellis.settings.catalogue import Phase

from . import apps, clusters, costs, monitoring, naming, network, order, passwords, pools, storage
from .resources import Resource, Stack
from .rules import ResourceRule, Rule, SecretRule, StackRule

NAME = "digitalocean-databases"
POSTPONED = "postponed-to-up"
SETTINGS = "stack"
PARENT_CHECK_SECONDS = 1.0
RULES: tuple[Rule, ...] = tuple(
    rule
    for theme in (network, clusters, pools, apps, passwords, monitoring, storage, costs, order, naming)
    for rule in theme.RULES
)


class Pack:
    """The policies of one run of the engine, and what they tell each other: pack-wide settings and what must wait."""

    def __init__(self, rules: Iterable[Rule] = RULES) -> None:
        self._settings: Mapping[str, Any] = {}
        self._waiting: dict[str, dict[str, list[str]]] = {}
        self._plain: dict[str, list[str]] = {}
        self._asked: dict[str, Mapping[str, Any]] = {}
        # The order counts: settings are read first and what waits is told last.
        self.policies: list[Policy] = [_settings_policy(self._settle), *map(self._policy, rules), self._postponed()]

    def _settle(self, args: StackValidationArgs, report: ReportViolation) -> None:
        self._settings = args.get_config()
        if Stack(args.resources, self._settings).phase is None:
            report("The stack's phase is not known, so the policies of single phases did not run.", None)

    def _policy(self, rule: Rule) -> Policy:
        facts: dict[str, Any] = {
            "name": rule.name,
            "description": rule.protects,
            "severity": rule.severity,
            "remediation_steps": rule.fix,
            "url": rule.source,
            "enforcement_level": EnforcementLevel.MANDATORY if rule.mandatory else EnforcementLevel.ADVISORY,
            "config_schema": PolicyConfigSchema(properties={key: dict(schema) for key, schema in rule.config.items()}),
        }
        match rule:
            case ResourceRule():
                return ResourceValidationPolicy(validate=self._of_resource(rule), **facts)
            case StackRule():
                return StackValidationPolicy(validate=self._of_stack(rule), **facts)
            case SecretRule():
                # Only a remediation is shown which values are secrets. This one changes nothing.
                facts["enforcement_level"] = EnforcementLevel.REMEDIATE
                return ResourceValidationPolicy(remediate=self._look(rule), validate=self._of_secrets(rule), **facts)
        raise TypeError(f"{rule.name}: no such kind of policy as {type(rule).__name__}")

    def _of_resource(self, rule: ResourceRule) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
        def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
            self._asked[args.urn] = args.props
            if args.resource_type not in rule.types:
                return
            resource = Resource(args)
            try:
                for message in rule.check(resource, rule.settings(args.get_config())):
                    report(_with_fix(message, rule), None)
            except UnknownValueError as error:
                report(_could_not_run(error), None)
            self._note(rule, resource.urn, resource.fields.waiting)

        return validate

    def _of_stack(self, rule: StackRule) -> Callable[[StackValidationArgs, ReportViolation], None]:
        def validate(args: StackValidationArgs, report: ReportViolation) -> None:
            stack = Stack(args.resources, self._settings, self._asked)
            if not rule.holds(stack):
                return
            try:
                for finding in rule.check(stack, rule.settings(args.get_config())):
                    report(_with_fix(finding.message, rule), finding.urn)
            except UnknownValueError as error:
                report(_could_not_run(error), None)
            for resource in stack.resources:
                self._note(rule, resource.urn, resource.fields.waiting)

        return validate

    def _look(self, rule: SecretRule) -> Callable[[ResourceValidationArgs], None]:
        def remediate(args: ResourceValidationArgs) -> None:
            waiting: list[str] = []
            self._plain[args.urn] = list(rule.check(args.props, waiting))
            self._note(rule, args.urn, waiting)

        return remediate

    def _of_secrets(self, rule: SecretRule) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
        def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
            found = self._plain.pop(args.urn, None)
            if found is None:
                report(f"could not run: leave the enforcementLevel of {rule.name} at remediate, or disable it.", None)
            for message in found or ():
                report(_with_fix(message, rule), None)

        return validate

    def _note(self, rule: Rule, urn: str, paths: Iterable[str]) -> None:
        for path in dict.fromkeys(paths):
            self._waiting.setdefault(urn, {}).setdefault(path, []).append(rule.name)

    def _postponed(self) -> Policy:
        def validate(_args: StackValidationArgs, report: ReportViolation) -> None:
            for urn, paths in self._waiting.items():
                rules = sorted({name for names in paths.values() for name in names})
                report(f"postponed to `up`: {', '.join(rules)}. Not known yet: {', '.join(sorted(paths))}.", urn)
            self._waiting = {}

        return StackValidationPolicy(
            name=POSTPONED,
            description="A value that only `up` will know is checked by `up`.",
            enforcement_level=EnforcementLevel.ADVISORY,
            validate=validate,
        )


def _settings_policy(validate: Callable[[StackValidationArgs, ReportViolation], None]) -> Policy:
    return StackValidationPolicy(
        name=SETTINGS,
        description="What the pack must know of a stack.",
        enforcement_level=EnforcementLevel.ADVISORY,
        validate=validate,
        remediation_steps=f"Set phase under {SETTINGS} in the pack's config.",
        config_schema=PolicyConfigSchema(
            properties={
                "phase": {
                    "enum": [str(phase) for phase in Phase],
                    "description": "How far the system has grown. Trellis's stacks tell it themselves.",
                },
                "prices": {
                    "type": "object",
                    "additionalProperties": {"type": "number", "minimum": 0},
                    "description": "Size -> US dollars a month, where yours differs from the catalogue or it has none. "
                    "Trellis's stacks tell theirs themselves.",
                },
                "developmentStacks": {
                    "type": "array",
                    "items": {"type": "string"},
                    "default": ["dev"],
                    "description": "Stacks that may be thrown away, beside those whose cloud is on this machine.",
                },
            }
        ),
    )


def _with_fix(message: str, rule: Rule) -> str:
    return f"{message} {rule.fix} {rule.source}"


def _could_not_run(error: UnknownValueError) -> str:
    return f"could not run: {error.message}. The policy reads it without asking whether it is known."


def serve(name: str = NAME, rules: Iterable[Rule] = RULES) -> None:
    """Answers the engine until it ends."""
    # The SDK writes its port without a flush, and the engine waits for it for ever.
    sys.stdout = io.TextIOWrapper(io.FileIO(sys.stdout.fileno(), "w", closefd=False), write_through=True)
    # An engine that is killed tells nobody; its plugins are handed to another parent.
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    PolicyPack(name=name, policies=Pack(rules).policies)


def _end_with(engine: int) -> None:
    while os.getppid() == engine:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(0)
