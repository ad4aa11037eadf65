"""What the stack costs a month."""

from collections.abc import Iterator

from pulumi_policy import Severity

from trellis.settings.catalogue import Phase

from .prices import bill
from .resources import Resource, Stack
from .rules import Config, Finding, Rule, StackRule

_PRICING = "https://www.digitalocean.com/pricing/managed-databases"
# Twice what the phase's own plans cost, with room for a second cluster or a cache. US dollars a month.
BUDGETS = {Phase.LAUNCH: 50.0, Phase.GROWTH: 100.0, Phase.SCALE: 250.0}
_PRICES = {
    "prices": {
        "type": "object",
        "additionalProperties": {"type": "number", "minimum": 0},
        "default": {},
        "description": "Size -> US dollars a month, where yours differs from the catalogue or the catalogue has none.",
    }
}


def _items(stack: Stack, config: Config) -> Iterator[tuple[Resource, str, int, float | None]]:
    for resource in stack.resources:
        for item in bill(resource.type, resource.fields, config["prices"]):
            yield resource, item.size, item.number, item.usd


def _within_budget(stack: Stack, config: Config) -> Iterator[Finding]:
    usual = BUDGETS[stack.phase] if stack.phase and not stack.development else None
    budget = config.get("usd", usual)
    if budget is None:
        return
    items = [(f"{one.called} {number} x {size}", usd) for one, size, number, usd in _items(stack, config) if usd]
    total = sum(usd for _, usd in items)
    if total > budget:
        lines = ", ".join(f"{name} ${usd:g}" for name, usd in items)
        yield Finding(message=f"The stack costs ${total:g} a month, its budget is ${budget:g}: {lines}.")


def _priced(stack: Stack, config: Config) -> Iterator[Finding]:
    for resource, size, _, usd in _items(stack, config):
        if usd is None:
            yield Finding(
                message=f"{resource.called}: no price for {size}; the budget leaves it out.", urn=resource.urn
            )


RULES: tuple[Rule, ...] = (
    StackRule(
        name="monthly-budget",
        protects="A larger plan is one word in a pull request and a bill every month.",
        fix="Take a smaller plan, or raise usd in the pack's config.",
        source=_PRICING,
        severity=Severity.MEDIUM,
        check=_within_budget,
        config={
            "usd": {
                "type": "number",
                "minimum": 0,
                "description": "The budget in US dollars a month; without it the phase's, and none in "
                "development: " + ", ".join(f"{phase} {usd:g}" for phase, usd in BUDGETS.items()) + ".",
            },
            **_PRICES,
        },
    ),
    StackRule(
        name="prices-known",
        protects="A bill that leaves something out looks smaller than it is.",
        fix="Name the size under prices in the pack's config, here and under monthly-budget.",
        source=_PRICING,
        severity=Severity.LOW,
        mandatory=False,
        check=_priced,
        config=_PRICES,
    ),
)
