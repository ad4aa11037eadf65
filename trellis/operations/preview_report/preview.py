"""`pulumi preview` with the policy pack, read from the engine's events."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trellis import policies
from trellis.operations.engine import Engine
from trellis.policies.fields import UNKNOWN, of_inputs

PACK = Path(policies.__file__).resolve().parent / "__main__.py"
POSTPONED = "postponed-to-up"
# What the engine calls a step of a resource, by what it means to the resource. Steps not named here change nothing.
_OPERATIONS = {
    "create": "create",
    "import": "import",
    "update": "update",
    "delete": "delete",
    "replace": "replace",
    "create-replacement": "replace",
    "delete-replaced": "replace",
}
# Properties whose values a reviewer must see. Of others the name is shown: a value may be a secret or long.
SHOWN = ("size", "nodeCount", "storageSizeMib", "version", "region", "mode", "user", "phase", "instanceCount")


@dataclass(kw_only=True)
class Step:
    """One resource before and after. operation: None where nothing changes. old, new: inputs, empty where it is not.

    waits: whether a policy found a value that only `up` will know, which may be a secret and not to be seen here.
    """

    urn: str
    operation: str | None = None
    old: Mapping[str, Any] = field(default_factory=dict)
    new: Mapping[str, Any] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    waits: bool = False

    @property
    def certain(self) -> bool:
        """False for an update that may come to nothing: all that can be told is that a value is not known yet."""
        known = set(_differences(self.old, self.new))
        return self.operation != "update" or True in known or not (self.waits or known)

    @property
    def type(self) -> str:
        """The resource's type, for example digitalocean:index/vpc:Vpc."""
        return self.urn.split("::")[2].rpartition("$")[2]

    @property
    def name(self) -> str:
        """The program's name for it."""
        return self.urn.split("::", 3)[3]

    def describe(self) -> list[str]:
        """What changes: names of properties, and the values of those that tell something."""
        old, new = of_inputs(self.old), of_inputs(self.new)
        return [
            f"{name} {_shown(old.peek(name))} → {_shown(new.peek(name))}" if name in SHOWN else name
            for name in self.changed
        ]

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON."""
        return {
            "urn": self.urn,
            "type": self.type,
            "name": self.name,
            "operation": self.operation,
            "certain": self.certain,
            "changes": self.describe(),
        }


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a preview said. steps: every resource, those that stay too. errors: why it stopped, where it did."""

    steps: tuple[Step, ...]
    findings: tuple[Mapping[str, Any], ...]
    errors: tuple[str, ...]

    @property
    def changes(self) -> list[Step]:
        """The resources that do not stay as they are."""
        return [step for step in self.steps if step.operation]

    @property
    def violations(self) -> list[Mapping[str, Any]]:
        """What stops a deployment: findings of mandatory policies, and policies that could not run."""
        return [
            finding
            for finding in self.findings
            if finding["enforcementLevel"] == "mandatory" or "can't run policy" in finding["message"]
        ]

    @property
    def postponed(self) -> list[Mapping[str, Any]]:
        """What `up` will check."""
        return [finding for finding in self.findings if finding["policyName"] == POSTPONED]

    @property
    def advice(self) -> list[Mapping[str, Any]]:
        """The other findings."""
        said = [*self.violations, *self.postponed]
        return [finding for finding in self.findings if finding not in said]


def _shown(value: Any) -> str:
    if value is UNKNOWN:
        return "(only `up` will know)"
    if value is None:
        return "(not set)"
    return f"{value:g}" if isinstance(value, float) else str(value) if isinstance(value, str | int) else "…"


def _differences(old: Any, new: Any) -> Iterator[bool]:
    """Whether it is known, for every value that is not what it was. Secrets are masked and look the same."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in old.keys() | new.keys():
            # What begins so is the engine's own.
            if not name.startswith("__"):
                yield from _differences(old.get(name), new.get(name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for pair in zip(old, new, strict=True):
            yield from _differences(*pair)
    elif old != new:
        yield of_inputs({"value": new}).peek("value") is not UNKNOWN


def preview(engine: Engine, settings: Path | None) -> Preview:
    """Runs the preview. settings: a file with the pack's settings. A failed preview is a result."""
    options = ["--policy-pack", str(PACK)]
    if settings is not None:
        options += ["--policy-pack-config", str(settings)]
    code, out, err = engine.preview(*options)
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return read(events, finished=code == 0, said=err)


def read(events: Iterable[Mapping[str, Any]], *, finished: bool, said: str = "") -> Preview:
    """A preview from its events. said: what the engine wrote beside them."""
    steps: dict[str, Step] = {}
    findings, errors = [], []
    for event in events:
        if (step := event.get("resourcePreEvent")) is not None:
            _take(steps, step["metadata"])
        elif (finding := event.get("policyEvent")) is not None:
            findings.append(finding)
            if finding["policyName"] == POSTPONED and (waiting := steps.get(finding.get("resourceUrn", ""))):
                waiting.waits = True
        elif (diagnostic := event.get("diagnosticEvent")) is not None and diagnostic["severity"] == "error":
            errors.append(diagnostic["message"].strip())
    if not finished and not errors and said.strip():
        errors.append(said.strip())
    return Preview(steps=tuple(steps.values()), findings=tuple(findings), errors=tuple(dict.fromkeys(errors)))


def _take(steps: dict[str, Step], metadata: Mapping[str, Any]) -> None:
    urn = metadata["urn"]
    state = metadata.get("new") or metadata.get("old") or {}
    # Components and providers are nothing that anybody runs.
    if not state.get("custom") or metadata["type"].startswith("pulumi:providers:"):
        return
    step = steps.setdefault(urn, Step(urn=urn))
    operation = _OPERATIONS.get(metadata["op"])
    # A replacement is several steps; whichever comes first says so.
    step.operation = step.operation or operation
    step.old = step.old or (metadata.get("old") or {}).get("inputs") or {}
    if metadata["op"] not in ("delete", "delete-replaced"):
        step.new = (metadata.get("new") or {}).get("inputs") or {}
    named = metadata.get("detailedDiff") or dict.fromkeys(metadata.get("diffs") or ())
    if operation in ("update", "replace"):
        step.changed = tuple(dict.fromkeys([*step.changed, *(path.split("[")[0].split(".")[0] for path in named)]))
