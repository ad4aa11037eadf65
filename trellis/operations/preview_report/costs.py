"""What the stack costs a month, before and after."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from trellis.operations.preview_report.preview import Step
from trellis.policies.fields import of_inputs
from trellis.policies.prices import bill


@dataclass(frozen=True, kw_only=True)
class Costs:
    """US dollars a month. changed: resource -> before and after. unpriced: sizes that no price is known for."""

    before: float
    after: float
    changed: Mapping[str, tuple[float, float]]
    unpriced: tuple[str, ...]


def costs(steps: Iterable[Step], prices: Mapping[str, float]) -> Costs:
    """Adds up every resource of a preview. prices: as in the policy monthly-budget's settings."""
    unpriced: set[str] = set()

    def usd(step: Step, inputs: Mapping[str, Any]) -> float:
        items = list(bill(step.type, of_inputs(inputs), prices))
        unpriced.update(item.size for item in items if item.usd is None)
        return sum(item.usd or 0 for item in items)

    each = {step.name: (usd(step, step.old), usd(step, step.new)) for step in steps}
    return Costs(
        before=sum(before for before, _ in each.values()),
        after=sum(after for _, after in each.values()),
        changed={name: pair for name, pair in each.items() if pair[0] != pair[1]},
        unpriced=tuple(sorted(unpriced)),
    )
