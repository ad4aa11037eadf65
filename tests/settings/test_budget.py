"""Dividing connections, for any plan and any pools."""

from hypothesis import given
from hypothesis import strategies as st

from trellis.settings.budget import divide
from trellis.settings.catalogue import PLANS, Phase
from trellis.settings.errors import SettingsError

PLAN = st.sampled_from(sorted(PLANS.values(), key=lambda plan: plan.memory_gib))
ASKED = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.none() | st.integers(1, 500), max_size=6)


@given(plan=PLAN, headroom=st.integers(0, 30), asked=ASKED)
def test_pools_and_headroom_never_pass_the_limit(plan, headroom, asked) -> None:  # type: ignore[no-untyped-def]
    try:
        budget = divide(
            where=lambda *parts: ".".join(("here", *parts)),
            plan=plan,
            phase=Phase.LAUNCH,
            headroom=headroom,
            asked=asked,
            larger=None,
        )
    except SettingsError as error:
        fixed = sum(size for size in asked.values() if size)
        sharing = sum(size is None for size in asked.values())
        assert plan.connections - headroom < max(1, fixed + sharing)
        assert "allows" in str(error)  # noqa: PT017
        return
    assert sum(budget.pools.values()) + headroom <= plan.connections
    assert list(budget.pools) == list(asked)
    assert all(size >= 1 for size in budget.pools.values())
    assert all(budget.pools[name] == size for name, size in asked.items() if size)
    shares = [budget.pools[name] for name, size in asked.items() if size is None]
    if shares:
        assert max(shares) - min(shares) <= 1
        assert budget.unassigned == 0


@given(plan=PLAN)
def test_a_plan_allows_25_connections_a_gib_less_3(plan) -> None:  # type: ignore[no-untyped-def]
    assert plan.connections == 25 * plan.memory_gib - 3
    assert plan.standby_allowed == (plan.memory_gib > 1)


def test_a_phase_never_shrinks_a_plan() -> None:
    from trellis.settings.catalogue import PHASE_PLANS

    plans = [PLANS[PHASE_PLANS[phase]] for phase in sorted(Phase, key=lambda phase: phase.rank)]
    assert [plan.memory_gib for plan in plans] == sorted(plan.memory_gib for plan in plans)
    assert [plan.storage_gib for plan in plans] == sorted(plan.storage_gib for plan in plans)
