"""Every policy against its table of cases: kept and broken, with values that are known and values that are not."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from jsonschema import Draft7Validator, validate
from pulumi_policy import ResourceValidationPolicy, Severity

from policies import clusters
from policies.kinds import CLUSTER
from policies.pack import RULES, Pack
from policies.resources import Resource
from policies.rules import Config, ResourceRule, Rule
from policies.table import as_markdown, every_type, known_types
from tests.policies import cases_apps, cases_bypasses, cases_clusters, cases_stacks
from tests.policies.judging import UNKNOWN, Case, arguments, judge, made, raw
from tools import ROOT

CASES = (*cases_clusters.CASES, *cases_apps.CASES, *cases_stacks.CASES, *cases_bypasses.CASES)


@pytest.fixture(autouse=True)
def _on_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_today", lambda: date(2026, 8, 1))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case) -> None:
    verdict = judge(case)
    if case.breaks is None:
        assert verdict.findings == []
    else:
        rule = next(rule for rule in RULES if rule.name == case.policy)
        assert [finding for finding in verdict.findings if case.breaks in finding]
        assert all(finding.endswith(f" {rule.fix} {rule.source}") for finding in verdict.findings)
    if case.waits:
        assert case.policy in verdict.waiting
        assert all(path in verdict.waiting for path in case.waits)
    else:
        assert verdict.waiting == ""


@pytest.mark.parametrize("policy", [rule.name for rule in RULES])
def test_every_policy_is_kept_broken_and_met_with_unknown_values(policy: str) -> None:
    cases = [case for case in CASES if case.policy == policy]
    assert [case for case in cases if case.breaks is None]
    assert [case for case in cases if case.breaks is not None]
    assert [case for case in cases if any(UNKNOWN in str(raw(one.props)) for one in case.resources)]


def test_types_that_nobody_knows_stop_no_policy() -> None:
    strange = {"id": UNKNOWN, "rules": UNKNOWN, "spec": [[UNKNOWN]], "size": {"size": None}, "entities": 3, "tags": "x"}
    kinds = ("digitalocean:index/nobodyKnows:NobodyKnows", "cloudflare:index/ruleset:Ruleset", "strange")
    beside = [made(kind, "odd", strange) for kind in kinds]
    for case in CASES:
        findings = judge(replace(case, resources=[*beside, *case.resources, *beside])).findings
        assert [one for one in findings if "could not run" in one] == []
        if case.breaks is not None:
            assert [one for one in findings if case.breaks in one], case


def test_every_type_that_a_policy_is_about_is_in_the_sdk() -> None:
    assert known_types() < every_type()


def test_a_policy_that_cannot_run_is_a_finding_of_its_own_level() -> None:
    def careless(resource: Resource, _config: Config) -> Iterator[str]:
        yield resource.made.props["name"]

    rule = ResourceRule(
        name="careless",
        protects="Nothing.",
        fix="Read with care.",
        source="https://example.com",
        severity=Severity.LOW,
        types=frozenset({CLUSTER}),
        check=careless,
    )
    case = Case(policy="careless", title="", resources=[made(CLUSTER, "db", {"name": UNKNOWN})])
    (finding,) = judge(case, [rule]).findings
    assert finding.startswith("could not run: string value at .name can't be known during preview")


def test_plain_passwords_are_not_searched_for_without_sight_of_secrets() -> None:
    policy = next(policy for policy in Pack().policies if policy.name == "no-plain-password")
    said: list[str] = []
    resource = made(CLUSTER, "db", {"name": "db"})
    assert isinstance(policy, ResourceValidationPolicy)
    policy.validate(arguments(resource, resource.props, {}), lambda message, _urn: said.append(message))
    assert said == ["could not run: leave the enforcementLevel of no-plain-password at remediate, or disable it."]


def test_the_page_has_every_policy() -> None:
    assert (ROOT / "docs" / "policies.md").read_text().endswith(f"\n{as_markdown()}\n")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_policy_says_what_it_is(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
    assert rule.protects.endswith(".")
    assert rule.fix.endswith(".")
    assert rule.source.startswith(
        (
            "https://docs.digitalocean.com/",
            "https://www.digitalocean.com/",
            "https://www.postgresql.org/",
            "https://www.pulumi.com/",
        )
    )
    for schema in rule.config.values():
        Draft7Validator.check_schema(dict(schema))
        if "default" in schema:
            validate(schema["default"], dict(schema))
