"""Another mode or layout leaves clusters behind: refused in every phase, until the config names what may go."""

from typing import Any

import pytest

from trellis.providers.phase import PhaseProvider

SERVER = {"version": "15", "edition": "standard", "memory_gib": 2, "nodes": 1, "replicas": 0}
OWN = {**SERVER, "mode": "self-hosted"}
CHANGES = [("mode", "managed", "self-hosted"), ("mode", "self-hosted", "managed"), ("layout", "shared", "per-database")]


def _refusals(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    stack = {"phase": "launch", "rank": 0, "mode": "managed", "layout": "shared", "protect": False}
    failures = PhaseProvider().check({**stack, **before}, {**stack, **before, **now}).failures
    return [failure.reason for failure in failures or ()]


@pytest.mark.parametrize(("key", "deployed", "wanted"), CHANGES)
@pytest.mark.parametrize("phase", ["launch", "growth"])
def test_a_change_is_refused_in_every_phase(key: str, deployed: str, wanted: str, phase: str) -> None:
    before = {"phase": phase, "rank": int(phase == "growth"), key: deployed}
    (refused,) = _refusals(before, {key: wanted})
    assert refused.startswith(f"trellis:{key} is {wanted}, but {deployed} is deployed.")
    assert "Nothing was changed." in refused
    assert f"Set trellis:{key} back to {deployed}" in refused
    assert f"trellis:abandon: {deployed}" in refused


@pytest.mark.parametrize(("key", "deployed", "wanted"), CHANGES)
def test_it_is_carried_out_once_the_config_names_what_is_deployed(key: str, deployed: str, wanted: str) -> None:
    assert _refusals({key: deployed}, {key: wanted, "abandon": deployed}) == []
    # The same word does not open the way back.
    assert len(_refusals({key: wanted, "abandon": deployed}, {key: deployed})) == 1


@pytest.mark.parametrize(("before", "now"), [({"protect": True}, {"protect": True}), ({"protect": True}, {})])
def test_what_is_protected_is_let_go_by_a_run_of_its_own(before: dict[str, bool], now: dict[str, bool]) -> None:
    """The engine would refuse the deletion half-way: what the state protects stays protected in the same run."""
    (refused,) = _refusals(before, {"protect": False, **now, "mode": "self-hosted", "abandon": "managed"})
    assert "deploy once with trellis:protect: never" in refused


def test_who_gives_a_mode_up_may_choose_a_smaller_plan() -> None:
    smaller = {"clusters": {"db": {**SERVER, "memory_gib": 1}}, "mode": "managed", "abandon": "self-hosted"}
    assert _refusals({"clusters": {"db": OWN}, "mode": "self-hosted"}, smaller) == []


def test_both_at_once_are_refused() -> None:
    refused = _refusals({}, {"mode": "self-hosted", "layout": "per-database", "abandon": "managed"})
    assert [text.split()[0] for text in refused] == ["trellis:layout"]


def test_a_state_of_before_was_managed_and_shared() -> None:
    known = {"phase": "launch", "rank": 0}
    now = {**known, "mode": "self-hosted", "layout": "per-database", "protect": False}
    assert len(PhaseProvider().check(known, now).failures or ()) == 2
    assert PhaseProvider().check({}, now).failures == []


@pytest.mark.parametrize(
    ("before", "now", "mode", "refusals"),
    [
        # A move begins: the old one stays. It is given up: the new one goes.
        ({"db": OWN}, {"db": OWN, "db-2": SERVER}, "managed", 0),
        ({"db": OWN, "db-2": SERVER}, {"db": OWN}, "self-hosted", 0),
        ({"db": SERVER}, {"db": SERVER, "db-2": OWN}, "self-hosted", 0),
        # A state of before names no server of one's own.
        ({}, {"db": OWN, "db-2": SERVER}, "managed", 0),
        # One becomes the other under its name, or one of two does.
        ({"db": OWN}, {"db": SERVER}, "managed", 1),
        ({}, {"db": SERVER}, "managed", 1),
        ({"db": OWN}, {"db-2": SERVER}, "managed", 1),
        ({"a": OWN, "b": OWN}, {"a": OWN, "a-2": SERVER, "b": SERVER}, "managed", 1),
    ],
)
def test_a_mode_whose_clusters_stand_on_is_no_loss(
    before: dict[str, Any], now: dict[str, Any], mode: str, refusals: int
) -> None:
    deployed = "managed" if mode == "self-hosted" else "self-hosted"
    found = _refusals({"mode": deployed, "clusters": before}, {"mode": mode, "clusters": now})
    assert len(found) == refusals
    assert all("`trellis move plan` tells what it takes" in one for one in found)


def test_another_region_is_another_stack() -> None:
    here = {**SERVER, "region": "nyc1"}
    (refused,) = _refusals({"clusters": {"db": here}}, {"clusters": {"db": {**here, "region": "sfo3"}}})
    assert refused.startswith("db is in nyc1, and trellis:region is sfo3.")
    assert "Another region is another stack, whose databases come from this one's" in refused
    assert _refusals({"clusters": {"db": SERVER}}, {"clusters": {"db": here}}) == []
