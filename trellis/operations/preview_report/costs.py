"""What the stack costs a month, before and after."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trellis.operations.preview_report.preview import Step
from trellis.policies.fields import of_inputs
from trellis.policies.prices import bills


@dataclass(frozen=True, kw_only=True)
class Costs:
    """US dollars a month. changed: resource -> before and after. unpriced: sizes that no price is known for."""

    before: float
    after: float
    changed: Mapping[str, tuple[float, float]]
    unpriced: tuple[str, ...]


def costs(steps: Iterable[Step], prices: Mapping[str, float]) -> Costs:
    """Adds up every resource of a preview. prices: size -> US dollars a month, before the catalogue's."""
    steps = list(steps)
    unpriced: set[str] = set()

    def usd(inputs: Iterable[Mapping[str, Any]]) -> Iterator[float]:
        resources = ((step.type, of_inputs(values)) for step, values in zip(steps, inputs, strict=True))
        for items in bills(resources, prices):
            unpriced.update(item.size for item in items if item.usd is None)
            yield sum(item.usd or 0 for item in items)

    before, after = usd(step.old for step in steps), usd(step.new for step in steps)
    each = {step.name: pair for step, pair in zip(steps, zip(before, after, strict=True), strict=True)}
    return Costs(
        before=round(sum(before for before, _ in each.values()), 2),
        after=round(sum(after for _, after in each.values()), 2),
        changed={name: pair for name, pair in each.items() if pair[0] != pair[1]},
        unpriced=tuple(sorted(unpriced)),
    )
