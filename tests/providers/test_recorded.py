"""The bundled digitalocean plugin says and hears what the official one did, as written down in recorded/."""

import json
import sys

import pytest

from tests.providers.record import ALL, RECORDED, record
from tests.providers.scenarios import Scenario

PLUGIN = [sys.executable, "-m", "localcloud.providers.digitalocean"]


@pytest.mark.parametrize("scenario", ALL, ids=[scenario.name for scenario in ALL])
def test_same_as_official(scenario: Scenario) -> None:
    recorded = json.loads((RECORDED / f"{scenario.name}.json").read_text())
    assert record(PLUGIN, scenario) == recorded


def test_every_recording_is_used() -> None:
    assert {path.stem for path in RECORDED.glob("*.json")} == {scenario.name for scenario in ALL}
