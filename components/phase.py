"""What a stack has become: its phase, which only grows, and who runs its clusters."""

from typing import Any

import pulumi
from pulumi import dynamic

from trellis.providers.phase import PhaseProvider
from trellis.settings import Settings

# States of before hold the provider by this module and this name, and load it from here to refresh and to destroy.
_PhaseProvider = PhaseProvider


class Phase(dynamic.Resource, module="phase", name="Phase"):
    """Records the phase, the mode, the layout and the suffix of names of the stack.

    A phase below the recorded one, another suffix, and another mode or layout while data is protected, stop the program
    before anything changes. Nothing is created at DigitalOcean. What is built first depends on this resource.
    """

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        props: dict[str, Any] = {
            "phase": settings.phase.value,
            "rank": settings.phase.rank,
            "mode": settings.mode.value,
            "layout": settings.layout.value,
            "protect": settings.protect,
            "provider_version": PhaseProvider.version,
        }
        if settings.name_suffix:
            props["name_suffix"] = settings.name_suffix
        super().__init__(PhaseProvider(), name, props, opts)
