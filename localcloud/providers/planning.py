"""What would change: new inputs compared with what is there."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from localcloud.providers.schema import ZERO, Kind, Mode, Property, ResourceType, State
from localcloud.providers.values import UNKNOWN, canonical, has_unknown, is_empty, sort_set


class Change(IntEnum):
    """A kind of change, numbered as in Pulumi's protocol; the one that needs a new resource follows each."""

    ADD = 0
    DELETE = 2
    UPDATE = 4


@dataclass(frozen=True)
class PropertyChange:
    """A change at one path of the inputs."""

    change: Change
    replace: bool

    @property
    def protocol_kind(self) -> int:
        """The number of this change in Pulumi's protocol."""
        return int(self.change) + int(self.replace)


@dataclass
class Plan:
    """A resource as it will be.

    id: the Pulumi id, "" before it is created. prior: the state before, {} where there is none.
    state: the state to reach; what only the API can tell is unknown.
    changes: by property path, for example "spec.services[0].name".
    inputs: what the program gave, as it gave it.
    """

    type: ResourceType
    id: str
    prior: State
    state: State
    changes: dict[str, PropertyChange] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """The value to reach, or the kind's zero where there is none."""
        value = self.state.get(name)
        if value is None or value is UNKNOWN:
            return ZERO[self.type.by_name[name].kind]
        return value

    def was(self, name: str) -> Any:
        """The value before, or the kind's zero where there was none."""
        value = self.prior.get(name)
        return ZERO[self.type.by_name[name].kind] if value is None else value

    def changed(self, *names: str) -> bool:
        """True where one of these top-level properties changes."""
        return any(top(path) in names for path in self.changes)

    @property
    def replaces(self) -> list[str]:
        """The top-level properties whose change needs a new resource."""
        return sorted({top(path) for path, change in self.changes.items() if change.replace})


def top(path: str) -> str:
    """The top-level property of a path."""
    return re.split(r"[.\[]", path, maxsplit=1)[0]


def plan(resource: ResourceType, identity: str, prior: Mapping[str, Any], inputs: Mapping[str, Any]) -> Plan:
    """The plan that takes a resource from its prior state ({}: create it) to these checked inputs."""
    result = Plan(resource, identity, dict(prior), {}, inputs=inputs)
    creating = not identity
    result.state = _plan_fields(result, resource.properties, prior, inputs, "", creating)
    if identity:
        result.state["id"] = identity
    return result


def _plan_fields(
    result: Plan,
    fields: tuple[Property, ...],
    prior: Mapping[str, Any],
    inputs: Mapping[str, Any],
    path: str,
    creating: bool,
) -> State:
    state: State = {}
    for item in fields:
        where = f"{path}.{item.name}" if path else item.name
        value = _plan_value(result, item, prior.get(item.name), inputs.get(item.name), where, creating)
        if value is not None:
            state[item.name] = value
    return state


def _plan_value(result: Plan, item: Property, prior: Any, config: Any, path: str, creating: bool) -> Any:
    if item.mode is Mode.COMPUTED or (config is None and item.is_computed):
        return UNKNOWN if creating else copy.deepcopy(prior)
    if config is None:
        config = item.default
    if config is None:
        if is_empty(prior):
            return copy.deepcopy(prior)
        _note(result, item, path, Change.DELETE)
        return [] if item.kind in (Kind.LIST, Kind.SET) else None
    if config is UNKNOWN:
        _note(result, item, path, Change.ADD if prior is None else Change.UPDATE)
        return UNKNOWN
    if item.kind is Kind.SET:
        return _plan_set(result, item, prior or [], config, path)
    if item.kind is Kind.LIST:
        return _plan_list(result, item, prior or [], config, path, creating)
    if item.kind is Kind.OBJECT:
        if prior is None:
            _note(result, item, path, Change.ADD)
            return _fresh_fields(result, item, config, path)
        planned = _plan_fields(result, item.fields, prior, config, path, creating)
        if item.as_planned and canonical(item.fields, config) != canonical(item.fields, prior):
            return _fresh_fields(result, item, config, path)
        return planned
    return _plan_scalar(result, item, prior, config, path)


def _fresh_fields(result: Plan, item: Property, config: Mapping[str, Any], path: str) -> State:
    return _plan_fields(Plan(result.type, "", {}, {}), item.fields, {}, config, path, True)


def _plan_scalar(result: Plan, item: Property, prior: Any, config: Any, path: str) -> Any:
    value = item.normalise(config) if item.normalise else config
    if prior is not None and item.normalise and item.normalise(prior) == value:
        return prior
    if prior == value and isinstance(prior, bool) == isinstance(value, bool):
        return value
    if prior is not None and item.same is not None and item.same(prior, value):
        return prior
    if prior is None and is_empty(value) and result.id:
        return value
    _note(result, item, path, Change.ADD if prior is None else Change.UPDATE)
    return value


def _plan_list(
    result: Plan, item: Property, prior: list[Any], config: list[Any], path: str, creating: bool
) -> list[Any]:
    planned = []
    for index, value in enumerate(config):
        before = prior[index] if index < len(prior) else None
        where = f"{path}[{index}]"
        if before is None and index >= len(prior):
            _note(result, item, where, Change.ADD)
            fresh = Plan(result.type, "", {}, {})
            planned.append(_plan_value(fresh, item.element, None, value, where, True))
        else:
            planned.append(_plan_value(result, item.element, before, value, where, creating))
    for index in range(len(config), len(prior)):
        _note(result, item, f"{path}[{index}]", Change.DELETE)
    return planned


def _plan_set(result: Plan, item: Property, prior: list[Any], config: list[Any], path: str) -> list[Any]:
    """A set's elements are told apart by what the program gives, so order and computed parts never count."""

    def identity(value: Any) -> Any:
        return canonical(item.fields, value) if item.fields and isinstance(value, Mapping) else value

    if any(has_unknown(value) for value in config):
        _note(result, item, path, Change.UPDATE if prior else Change.ADD)
        return [_fresh(item, value) for value in config]
    before = {identity(value): value for value in prior}
    after = {identity(_fresh(item, value)): value for value in config}
    planned = [before[key] if key in before else _fresh(item, value) for key, value in after.items()]
    for index, key in enumerate(before):
        if key not in after:
            _note(result, item, f"{path}[{index}]", Change.DELETE)
    for index, key in enumerate(after):
        if key not in before:
            where = f"{path}[{index}]"
            changed_in_place = where in result.changes
            _note(result, item, where, Change.UPDATE if changed_in_place else Change.ADD)
    return planned if any(has_unknown(value) for value in planned) else sort_set(item, planned)


def _fresh(item: Property, value: Any) -> Any:
    nobody_asks = Plan(ResourceType(token="", noun="", properties=()), "", {}, {})
    return _plan_value(nobody_asks, item.element, None, value, item.name, True)


def _note(result: Plan, item: Property, path: str, change: Change) -> None:
    result.changes[path] = PropertyChange(change, item.replace and bool(result.id))
