"""The phase of a stack, which only grows."""

from typing import Any

import pulumi
from pulumi import dynamic

from settings import Phase as PhaseName


class _PhaseProvider(dynamic.ResourceProvider):
    """Remembers the phase in the stack's state and refuses a smaller one, in a preview too."""

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
        return dynamic.CheckResult(news, failures)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(changes=_olds.get("phase") != _news["phase"])

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult("phase", {"phase": props["phase"], "rank": props["rank"]})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        return dynamic.UpdateResult({"phase": _news["phase"], "rank": _news["rank"]})


class Phase(dynamic.Resource, module="phase", name="Phase"):
    """Records the phase of the stack. A phase below the recorded one stops the program before anything changes.

    Nothing is created at DigitalOcean. What is built first depends on this resource.
    """

    def __init__(self, name: str, phase: PhaseName, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(_PhaseProvider(), name, {"phase": phase.value, "rank": phase.rank}, opts)
