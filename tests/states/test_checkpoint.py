"""A recorded state is read against a live one, and what does not fit is said aloud."""

from typing import Any

import pytest

from tests.states.checkpoint import LIVE, DifferentError, recorded, transplanted


def _state(port: Any, **more: Any) -> dict[str, Any]:
    made = {"urn": "u::cluster", "type": "t", "id": f"id-{port}", "inputs": {"name": "db"}, "outputs": {"port": port}}
    provider = {"urn": "u::default_1", "type": "pulumi:providers:p", "id": f"p-{port}", "inputs": {"version": "1"}}
    return {"resources": [provider, {**made, **more}]}


def test_what_two_clouds_have_in_common_is_recorded_and_the_rest_is_taken_from_a_third() -> None:
    record = recorded(_state(1, stackTrace=["/a"], dependencies=["x"]), _state(2))
    provider, made = record["resources"]
    assert (provider["id"], made["id"], made["inputs"], made["outputs"]) == (
        "p-1",
        LIVE,
        {"name": "db"},
        {"port": LIVE},
    )
    assert (made["dependencies"], "stackTrace" in made) == (["x"], False)
    provider, made = transplanted(record, _state(3))["resources"]
    assert (provider["id"], made["id"], made["outputs"]) == ("p-1", "id-3", {"port": 3})


def test_what_has_no_live_value_is_refused() -> None:
    record = recorded(_state(1), _state(2))
    with pytest.raises(DifferentError, match=r"u::cluster: outputs\.port: the live state has no such value"):
        transplanted(record, _state(3, outputs={"ports": [3]}))
    with pytest.raises(DifferentError, match="not in the recorded state: u::pool"):
        transplanted(record, {"resources": [*_state(3)["resources"], {"urn": "u::pool", "type": "t"}]})
    beside = {"resources": [*_state(3)["resources"], {"urn": "u::pool", "type": "t"}]}
    assert len(transplanted(record, beside, {"t"})["resources"]) == 2
    with pytest.raises(DifferentError, match=r"u::cluster: outputs\.port: two recordings have another structure"):
        recorded(_state(1), _state([2]))
