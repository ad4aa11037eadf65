"""What a stack has become: its phase, which only grows, and who runs its clusters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi import dynamic

from trellis.providers.phase import PhaseProvider
from trellis.settings import Mode
from trellis.settings import Phase as Phases
from trellis.settings.stack import Environment, Layout

# States of before hold the provider by this module and this name, and load it from here to refresh and to destroy.
_PhaseProvider = PhaseProvider


@dataclass(frozen=True, kw_only=True)
class PhaseArgs:
    """What a stack has become.

    production: whom the stack serves. name_suffix: what ends the names in the account.
    protect: whether what holds data is protected from deletion.
    abandon: the mode or layout that is deployed, whose clusters another one may delete.
    prices: size -> US dollars a month, where they differ from the catalogue; told to the policies.
    clusters: name -> version, edition, memory_gib, nodes, replicas, region, and the mode where it is self-hosted; some
    of them change by a move alone.
    today: the day that DigitalOcean's limits for new clusters go by, as 2026-12-31; empty knows of none.
    """

    phase: Phases
    mode: Mode = Mode.MANAGED
    layout: Layout = Layout.SHARED
    production: bool = True
    name_suffix: str = ""
    protect: bool = True
    abandon: str = ""
    prices: Mapping[str, float] = field(default_factory=dict)
    clusters: Mapping[str, Mapping[str, str | int]] = field(default_factory=dict)
    today: str = ""


class Phase(dynamic.Resource, module="phase", name="Phase"):
    """Records the phase, the mode, the layout and the suffix of names of the stack, and what protects it.

    A phase below the recorded one, another suffix, and another mode or layout than one that may be abandoned, stop the
    program before anything changes. Nothing is created at DigitalOcean. What is built first depends on this resource.
    """

    def __init__(self, name: str, args: PhaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props: dict[str, Any] = {
            "phase": args.phase.value,
            "rank": args.phase.rank,
            "mode": args.mode.value,
            "layout": args.layout.value,
            "protect": args.protect,
            "environment": str(Environment.PRODUCTION if args.production else Environment.DEVELOPMENT),
            "provider_version": PhaseProvider.version,
        }
        # Only where they are set: a stack of before has none, and sees no change.
        if args.name_suffix:
            props["name_suffix"] = args.name_suffix
        if args.abandon:
            props["abandon"] = args.abandon
        if args.prices:
            props["prices"] = dict(args.prices)
        if args.today:
            props["today"] = args.today
        if args.clusters:
            props["clusters"] = {name: dict(cluster) for name, cluster in args.clusters.items()}
        super().__init__(PhaseProvider(), name, props, opts)
