"""What the stack costs a month."""

from collections.abc import Iterator

from pulumi_policy import Severity

from trellis.settings.catalogue import Phase

from .prices import Item, bills, dollars
from .resources import Resource, Stack
from .rules import Config, Finding, Rule, StackRule

_PRICING = "https://www.digitalocean.com/pricing/managed-databases"
# About twice what a phase costs with its apps: a node in launch and growth, in scale one of the Advanced edition and a
# read-only one. US dollars a month.
BUDGETS = {Phase.LAUNCH: 60.0, Phase.GROWTH: 100.0, Phase.SCALE: 400.0}


def _items(stack: Stack) -> Iterator[tuple[Resource, Item]]:
    each = bills(((one.type, one.fields) for one in stack.resources), stack.prices)
    for resource, items in zip(stack.resources, each, strict=True):
        yield from ((resource, item) for item in items)


def _within_budget(stack: Stack, config: Config) -> Iterator[Finding]:
    usual = BUDGETS[stack.phase] if stack.phase and not stack.development else None
    budget = config.get("usd", usual)
    if budget is None:
        return
    items = [(f"{one.called} {item.number} x {item.size}", item.usd) for one, item in _items(stack) if item.usd]
    total = sum(usd for _, usd in items)
    if total > budget:
        lines = ", ".join(f"{name} {dollars(usd)}" for name, usd in items)
        yield Finding(message=f"The stack costs {dollars(total)} a month, its budget is {dollars(budget)}: {lines}.")


def _priced(stack: Stack, _config: Config) -> Iterator[Finding]:
    for resource, item in _items(stack):
        if item.usd is None:
            yield Finding(message=f"{resource.called}: no price is known of {item.size}.", urn=resource.urn)


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
        },
    ),
    StackRule(
        name="prices-known",
        protects="A bill that leaves something out looks smaller than it is.",
        fix="Name the size in trellis:prices, or under prices of stack in the pack's config.",
        source=_PRICING,
        severity=Severity.MEDIUM,
        check=_priced,
        spares_development=True,
    ),
)
