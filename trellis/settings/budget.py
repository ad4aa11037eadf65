"""Dividing a plan's connections between pools, migrations and monitoring."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from trellis.settings.catalogue import Phase, Plan
from trellis.settings.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class ConnectionBudget:
    """Where the connections of one cluster go. Every figure is a number of server connections.

    limit: what the plan allows; pools: name -> size; headroom: kept free of pools for migrations and monitoring.
    notes: a sentence for each pool that got less than it asked for.
    """

    limit: int
    headroom: int
    pools: Mapping[str, int]
    notes: tuple[str, ...] = ()

    @property
    def for_pools(self) -> int:
        """The most that all pools together may have."""
        return self.limit - self.headroom

    @property
    def unassigned(self) -> int:
        """Connections that no pool has taken and that direct clients can use beside the head-room."""
        return self.for_pools - sum(self.pools.values())


def divide(
    *,
    where: Callable[..., str],
    plan: Plan,
    phase: Phase,
    headroom: int,
    asked: Mapping[str, int | None],
    larger: tuple[Phase, Plan] | None,
    fit: Collection[str] = (),
) -> ConnectionBudget:
    """Gives each pool its size: what it asks for, or an even share of what is left where it asks for nothing.

    fit: pools that take what is left where they ask for more.
    where: what opens an error about a key of the cluster, such as "systems/villa.yaml:23, clusters.main.headroom".
    larger: the next phase and its plan, for the advice in an error.

    Raises SettingsError when a pool does not fit, or when no connection is left for one that asks for a share.
    """
    limit = plan.connections
    left = limit - headroom
    if left < 1:
        raise SettingsError(
            f"{where('headroom')}: {headroom} connections kept free leave none for pools.\n"
            f"The plan {plan.slug} allows {limit}. Keep {limit - 1} or less."
        )
    sizes: dict[str, int] = {}
    notes: list[str] = []
    for name, wanted in asked.items():
        if wanted is None:
            continue
        size = wanted
        if wanted > left > 0 and name in fit:
            notes.append(
                f"{where('pools', name, 'size')}: {wanted} connections asked, {left} given. The plan {plan.slug} "
                f"allows {limit}; {headroom} are kept for migrations and monitoring{_taken(sizes)}."
                f"{f' With trellis:phase {larger[0]} it allows {larger[1].connections}.' if larger else ''}"
            )
            size = left
        if size > left:
            raise SettingsError(
                f"{where('pools', name, 'size')}: {size} connections asked, {left} left.\n"
                f"The plan {plan.slug} allows {limit}; {headroom} are kept for migrations and monitoring"
                f"{_taken(sizes)}. {_advice(left, phase, larger)}"
            )
        sizes[name] = size
        left -= size
    sharing = [name for name, size in asked.items() if size is None]
    for position, name in enumerate(sharing):
        share = left // (len(sharing) - position)
        if share < 1:
            raise SettingsError(
                f"{where('pools', name)}: no connection is left for this pool.\n"
                f"The plan {plan.slug} allows {limit}; {headroom} are kept for migrations and monitoring"
                f"{_taken(sizes)}. Ask for less in the other pools{_grow(phase, larger)}."
            )
        sizes[name] = share
        left -= share
    pools = {name: sizes[name] for name in asked}
    return ConnectionBudget(limit=limit, headroom=headroom, pools=pools, notes=tuple(notes))


def _taken(sizes: Mapping[str, int]) -> str:
    return "".join(f", {size} go to pool {name}" for name, size in sizes.items())


def _grow(phase: Phase, larger: tuple[Phase, Plan] | None) -> str:
    return f", or move trellis:phase from {phase} to {larger[0]} ({larger[1].connections})" if larger else ""


def _advice(left: int, phase: Phase, larger: tuple[Phase, Plan] | None) -> str:
    return (f"Ask for {left} or less" if left else "Ask for less in the other pools") + _grow(phase, larger) + "."
