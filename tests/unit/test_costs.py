"""The program, its policies and the preview report say the same of what a stack costs."""

import json
from itertools import product

import pytest

from policies.fields import of_inputs
from policies.kinds import PHASE
from policies.prices import bills
from tests.told import told
from tests.unit.recorder import record
from tools import ROOT
from trellis import settings
from trellis.settings import Phase

# More of what costs something than the system file's phases alone.
STACKS: dict[str, dict[str, str]] = {
    "villa": {"monitoring": '{"webhook": "https://hooks.your-company.com/x", "size": "s-1vcpu-2gb"}'},
    "tudao": {"edition": "advanced"},
    "audifi": {"caches": '["main"]', "copyTo": '{"region": "sfo3", "ipRange": "10.101.0.0/16"}'},
    "capsule": {"layout": "per-database"},
    "freshtrack": {"mode": "self-hosted"},
}
PRICES = {
    "db-s-1vcpu-1gb": 15.15,
    "db-s-2vcpu-4gb": 60.90,
    "s-1vcpu-2gb": 11,
    "apps-s-1vcpu-0.5gb": 5,
}


@pytest.mark.parametrize("prices", [{}, PRICES], ids=["the catalogue's", "the stack's"])
@pytest.mark.parametrize(("system", "phase"), [*product(STACKS, Phase)])
def test_a_cost_is_the_same_wherever_it_is_told(system: str, phase: Phase, prices: dict[str, float]) -> None:
    config = {"system": system, "phase": phase.value, "prices": json.dumps(prices), **STACKS[system]}
    chosen = settings.load(
        {**told(config["system"]), **{f"trellis:{key}": value for key, value in config.items()}}, ROOT, stack="prod"
    )
    recorder, outputs = record(chosen, ROOT)
    (recorded,) = (made for made in recorder.resources if made.typ == PHASE)
    assert recorded.inputs.get("prices", {}) == prices
    # A stack without prices of its own has no such input: it sees no change.
    assert ("prices" in recorded.inputs) == bool(prices)
    made = ((resource.typ, of_inputs(resource.inputs)) for resource in recorder.resources)
    billed = sum(item.usd or 0 for items in bills(made, prices) for item in items)
    assert outputs["monthly_cost_usd"] == pytest.approx(billed)


def test_a_read_only_node_costs_what_a_node_costs() -> None:
    chosen = settings.load({"trellis:system": "villa", "trellis:phase": "scale"}, ROOT, stack="prod")
    assert (chosen.clusters[0].nodes, chosen.clusters[0].replicas, chosen.clusters[0].monthly_usd) == (1, 1, 121.80)


def test_an_advanced_node_has_a_least_price() -> None:
    def cost(**config: str) -> float:
        named = {"system": "villa", "phase": "scale", "edition": "advanced", **config}
        chosen = settings.load({f"trellis:{key}": value for key, value in named.items()}, ROOT, stack="prod")
        return chosen.clusters[0].monthly_usd

    assert cost() == 130 + 60.90
    assert cost(prices='{"advanced": 99.5}') == 99.5 + 60.90
    assert cost(prices='{"db-s-2vcpu-4gb": 150}') == 150 + 150
