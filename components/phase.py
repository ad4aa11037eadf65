"""What a stack has become: its phase, which only grows, and who runs its clusters."""

from typing import Any

import pulumi
from pulumi import dynamic

from settings import Settings


class _PhaseProvider(dynamic.ResourceProvider):
    """Remembers what is deployed in the stack's state and refuses what would lose data, in a preview too."""

    serialize_as_secret_always = False

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        failures = []
        if _olds and news["rank"] < _olds["rank"]:
            failures.append(
                dynamic.CheckFailure(
                    "phase",
                    f"trellis:phase is {news['phase']}, but {_olds['phase']} is deployed. DigitalOcean does not shrink "
                    f"a cluster's plan or storage. Nothing was changed. Set trellis:phase to {_olds['phase']} or "
                    "later; to go back, restore a backup into a new stack.",
                )
            )
        for key in ("mode", "layout"):
            if news["protect"] and _olds.get(key, news[key]) != news[key]:
                failures.append(
                    dynamic.CheckFailure(
                        key,
                        f"trellis:{key} is {news[key]}, but {_olds[key]} is deployed. The change would delete the "
                        f"clusters with their data. Nothing was changed. Set trellis:{key} back to {_olds[key]}, or "
                        "dump the data first, set trellis:protect to never, and restore into the new clusters.",
                    )
                )
        return dynamic.CheckResult(news, failures)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        watched = ("phase", "mode", "layout")
        return dynamic.DiffResult(changes=any(_olds.get(name) != _news[name] for name in watched))

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult("phase", self._kept(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        return dynamic.UpdateResult(self._kept(_news))

    def _kept(self, props: dict[str, Any]) -> dict[str, Any]:
        return {name: props[name] for name in ("phase", "rank", "mode", "layout")}


class Phase(dynamic.Resource, module="phase", name="Phase"):
    """Records the phase, the mode and the layout of the stack.

    A phase below the recorded one, and another mode or layout while data is protected, stop the program before
    anything changes. Nothing is created at DigitalOcean. What is built first depends on this resource.
    """

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        props = {
            "phase": settings.phase.value,
            "rank": settings.phase.rank,
            "mode": settings.mode.value,
            "layout": settings.layout.value,
            "protect": settings.protect,
        }
        super().__init__(_PhaseProvider(), name, props, opts)
