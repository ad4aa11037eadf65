"""`pulumi preview` with the policy pack, read from the engine's events."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trellis.operations.engine import Engine
from trellis.policies.fields import UNKNOWN, of_inputs
from trellis.policies.kinds import FIREWALL, MIGRATIONS, STACK
from trellis.policies.passwords import plain_secrets, secret_in

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
# What a reviewer is told of something new. Of a change all is told.
TOLD = frozenset("size nodeCount storageSizeMib version region mode user phase instanceCount instanceSizeSlug".split())
LONGEST_VALUE = 60
# What an item of a list goes by, where it has one of these.
_NAMES = ("key", "name", "value", "type")


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
        """What changes, a line each value; the name alone of what is secret, or set by the engine."""
        old, new = dict(_values(self.old)), dict(_values(self.new))
        if self.operation == "delete":
            return []
        different = [path for path in {**old, **new} if old.get(path) != new.get(path)]
        if self.type == MIGRATIONS:
            return [_item(path[1], path in old, path in new) for path in different if path[0] == "files"]
        if self.operation == "create":
            return [f"{_path(path)} {_shown(value)}" for path, value in new.items() if path[-1] in TOLD]
        lines = []
        # A provider of Python names nothing.
        for name in self.changed or dict.fromkeys(path[0].partition("[")[0] for path in different):
            inside = [path for path in different if path[0].partition("[")[0] == name]
            lines += [self._change(path, old, new) for path in inside] or [name]
        return lines

    def _change(self, path: tuple[str, ...], old: Mapping[Any, Any], new: Mapping[Any, Any]) -> str:
        if self.type == FIREWALL and path[-1] == "type" and not (path in old and path in new):
            return _item(_path(path[:-1]), path in old, path in new)
        return f"{_path(path)} {_shown(old.get(path))} → {_shown(new.get(path))}"

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
    """What a preview said. steps: every resource, those that stay too. errors: why it stopped, where it did.

    told: the stack's outputs that hold a secret for all to read, each with what it is.
    """

    steps: tuple[Step, ...]
    findings: tuple[Mapping[str, Any], ...]
    errors: tuple[str, ...]
    told: Mapping[str, str] = field(default_factory=dict)

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


def _values(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value inside another, with the way to it. What is secret is masked by the engine and is one value."""
    if isinstance(value, Mapping) and "ciphertext" not in value:
        for name, inner in value.items():
            # What begins so is the engine's own.
            if not name.startswith("__"):
                yield from _values(inner, (*path, name))
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            name = _name_of(item, number)
            # What it goes by stands in the way to it already.
            rest = item
            if isinstance(item, Mapping) and len(item) > 1:
                rest = {key: inner for key, inner in item.items() if not (key in _NAMES and inner == name)}
            yield from _values(rest, (*path[:-1], f"{path[-1]}[{name}]"))
    else:
        yield path, value


def _name_of(item: Any, number: int) -> str:
    """So that an item taken out of a list does not change all that follow."""
    if isinstance(item, Mapping):
        return next((item[name] for name in _NAMES if isinstance(item.get(name), str)), str(number))
    return item if isinstance(item, str) else str(number)


def _item(name: str, before: bool, after: bool) -> str:
    return f"{name} {'is changed' if before and after else 'is new' if after else 'is gone'}"


def _path(path: tuple[str, ...]) -> str:
    return ".".join(path)


def _shown(value: Any) -> str:
    if of_inputs({"value": value}).peek("value") is UNKNOWN:
        return "(only `up` will know)"
    if value is None or value == []:
        return "(not set)"
    if isinstance(value, Mapping):
        return "(a secret)"
    text = f"{value:g}" if isinstance(value, float) else json.dumps(value) if isinstance(value, bool) else str(value)
    # One that a program hands on in plain text; a policy says so.
    if secret_in(text):
        return "(a secret)"
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


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


def preview(engine: Engine, pack: Path, settings: Path | None) -> Preview:
    """Runs the preview. pack: its executable. settings: a file with its settings. A failed preview is a result."""
    options = ["--policy-pack", str(pack)]
    if settings is not None:
        options += ["--policy-pack-config", str(settings)]
    code, out, err = engine.preview(*options)
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return read(events, finished=code == 0, said=err)


def read(events: Iterable[Mapping[str, Any]], *, finished: bool, said: str = "") -> Preview:
    """A preview from its events. said: what the engine wrote beside them."""
    steps: dict[str, Step] = {}
    findings, errors = [], []
    told: dict[str, str] = {}
    for event in events:
        if (step := event.get("resourcePreEvent")) is not None:
            _take(steps, step["metadata"])
        elif (outputs := event.get("resOutputsEvent")) is not None:
            if outputs["metadata"]["type"] == STACK:
                # The engine hands no policy the outputs with their secrets marked. Here they are masked.
                told |= plain_secrets((outputs["metadata"].get("new") or {}).get("outputs") or {})
        elif (finding := event.get("policyEvent")) is not None:
            findings.append(finding)
            if finding["policyName"] == POSTPONED and (waiting := steps.get(finding.get("resourceUrn", ""))):
                waiting.waits = True
        elif (diagnostic := event.get("diagnosticEvent")) is not None and diagnostic["severity"] == "error":
            errors.append(diagnostic["message"].strip())
    if not finished and not errors and said.strip():
        errors.append(said.strip())
    return Preview(
        steps=tuple(steps.values()), findings=tuple(findings), errors=tuple(dict.fromkeys(errors)), told=told
    )


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
