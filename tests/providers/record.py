"""Runs a scenario against a plugin and the stub API, and writes down everything that was said.

    python -m tests.providers.record PLUGIN [SCENARIO ...]

records the official digitalocean plugin at PLUGIN into tests/providers/recorded/.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from tests.providers.plugin import SECRET_KEY, UNKNOWN, Plugin, Resource
from tests.providers.scenarios import SCENARIOS, Call, Change, Diff, Drop, Import, Make, Scenario
from tests.providers.scenarios_droplets import SCENARIOS as DROPLET_SCENARIOS
from tests.providers.stub_api import Request, StubApi
from tests.providers.stub_spaces import StubSpaces

ALL = (*SCENARIOS, *DROPLET_SCENARIOS)
RECORDED = Path(__file__).parent / "recorded"
PACKAGE = "digitalocean:index/"
# What a plugin keeps for itself in a state.
OWN = ("__meta", "__pulumi_raw_state_delta", "__defaults")
UNORDERED: tuple[str, ...] = (
    "rules",
    "envs",
    "tags",
    "entities",
    "resources",
    "features",
    "regions",
    "domains",
    "internal_ports",
    "addresses",
    "inbound_rules",
    "inboundRules",
    "outbound_rules",
    "outboundRules",
    "sourceAddresses",
    "destinationAddresses",
)
UNORDERED += ("internalPorts", "allow_methods", "allowMethods")
# The trusted sources have an id made of the time.
TIMED = re.compile(r"-\d{18,}[0-9a-f]{8}\b")


def tidy(value: Any) -> Any:
    """A value without what may differ: private notes, what is empty, the order of sets, times in ids."""
    if isinstance(value, dict):
        if SECRET_KEY in value:
            return {"secret": tidy(value["value"])}
        kept = {key: tidy(inner) for key, inner in value.items() if key not in OWN}
        return {
            key: sorted(inner, key=lambda item: json.dumps(item, sort_keys=True))
            if key in UNORDERED and isinstance(inner, list)
            else inner
            for key, inner in kept.items()
            if inner not in (None, "", [], {})
        }
    if isinstance(value, list):
        return [tidy(inner) for inner in value]
    if value == UNKNOWN:
        return "(unknown)"
    return TIMED.sub("-(time)", value) if isinstance(value, str) else value


class Recorder:
    """Plays steps on a plugin; `said` is what the plugin and the API heard and answered."""

    def __init__(self, plugin: Plugin, api: StubApi) -> None:
        self.plugin = plugin
        self.api = api
        self.resources: dict[str, Resource] = {}
        self.given: dict[str, dict[str, Any]] = {}
        self.said: list[dict[str, Any]] = []

    def play(self, scenario: Scenario) -> list[dict[str, Any]]:
        """What is said in a scenario, step by step."""
        for step in scenario.steps:
            start = len(self.api.journal)
            heard = {"step": type(step).__name__, **self._step(step)}
            heard["requests"] = requests(self.api.journal[start:])
            self.said.append(tidy(heard))
        return self.said

    def _step(self, step: Any) -> dict[str, Any]:
        match step:
            case Make():
                return self._make(step)
            case Diff():
                resource = self.resources[step.label]
                return {"label": step.label, "changes": step.changes, **self._diff(resource, self._changed(step))}
            case Change():
                return self._change(step)
            case Import():
                identity = self._filled(step.identity)
                urn = self.plugin.urn(PACKAGE + step.type, step.label)
                found = self.plugin.read(Resource(urn, identity, {}, {}))
                return {"id": found.id, "state": found.outputs, "inputs": found.inputs}
            case Drop():
                resource = self.resources.pop(step.label)
                self.plugin.delete(resource)
                return {"label": step.label}
            case Call():
                arguments = self._filled(step.arguments)
                return {"function": step.function, "result": self.plugin.invoke(PACKAGE + step.function, arguments)}
        raise AssertionError(step)

    def _make(self, step: Make) -> dict[str, Any]:
        urn = self.plugin.urn(PACKAGE + step.type, step.label)
        self.given[step.label] = self._filled(step.inputs)
        inputs, failures = self.plugin.check(urn, self.given[step.label])
        assert failures == []
        preview = self.plugin.create(urn, inputs, preview=True)
        made = self.plugin.create(urn, inputs)
        read = self.plugin.read(made)
        self.resources[step.label] = read
        return {
            "label": step.label,
            "checked": inputs,
            "preview": {key: value for key, value in preview.outputs.items() if key != "id"},
            "id": made.id,
            "state": made.outputs,
            "diff": self._diff(made, inputs),
            "refreshed": {"state": read.outputs, "inputs": read.inputs, "diff": self._diff(read, inputs)},
        }

    def _change(self, step: Change) -> dict[str, Any]:
        resource = self.resources[step.label]
        inputs = self._changed(step)
        difference = self._diff(resource, inputs)
        preview = self.plugin.update(resource, inputs, preview=True)
        updated = self.plugin.update(resource, inputs)
        self.resources[step.label] = updated
        self.given[step.label] = self._given(step)
        return {
            "label": step.label,
            "changes": step.changes,
            **difference,
            "preview": preview.outputs,
            "state": updated.outputs,
            "afterwards": self._diff(updated, inputs),
        }

    def _given(self, step: Diff | Change) -> dict[str, Any]:
        given = {**self.given[step.label], **self._filled(step.changes)}
        return {name: value for name, value in given.items() if value is not None}

    def _changed(self, step: Diff | Change) -> dict[str, Any]:
        resource = self.resources[step.label]
        inputs, failures = self.plugin.check(resource.urn, self._given(step), resource.inputs)
        assert failures == []
        return inputs

    def _diff(self, resource: Resource, inputs: dict[str, Any]) -> dict[str, Any]:
        answer = self.plugin.diff(resource, inputs)
        shown = json_format.MessageToDict(answer)
        return {
            "changed": shown.get("changes") == "DIFF_SOME",
            "properties": sorted({re.split(r"[.\[]", path)[0] for path in answer.detailedDiff}),
            "replaces": sorted(set(answer.replaces)),
            "deleteBeforeReplace": answer.deleteBeforeReplace,
        }

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(inner) for inner in value]
        if isinstance(value, str):
            return re.sub(r"\$\{([a-z]+)\.(id)\}", lambda found: self.resources[found[1]].id, value)
        return value


def requests(journal: Sequence[Request]) -> list[dict[str, Any]]:
    """The requests, repeated polls as one."""
    found: list[dict[str, Any]] = []
    for request in journal:
        told = {"method": request.method, "path": request.path, "body": request.body}
        if request.method != "GET" or not found or found[-1] != told:
            found.append(told)
    return found


def record(command: Sequence[str], scenario: Scenario) -> list[dict[str, Any]]:
    """Everything said in a scenario by the plugin that this command starts."""
    with StubApi() as api:
        environment = {**os.environ, "DIGITALOCEAN_TOKEN": "", "DIGITALOCEAN_API_URL": ""}
        config = {"token": "token", "apiEndpoint": api.url}
        with ExitStack() as stack:
            if scenario.spaces:
                spaces = stack.enter_context(StubSpaces(api.journal))
                environment |= spaces.environment
                config |= spaces.config
            plugin = stack.enter_context(Plugin(command, environment, config))
            return Recorder(plugin, api).play(scenario)


def main(arguments: Sequence[str]) -> None:
    """The command."""
    plugin, *names = arguments
    for scenario in ALL:
        if not names or scenario.name in names:
            text = json.dumps(record([plugin], scenario), indent=1, sort_keys=True)
            (RECORDED / f"{scenario.name}.json").write_text(text + "\n")
            print(scenario.name)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
