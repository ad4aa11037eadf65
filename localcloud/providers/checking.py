"""Inputs made ready: defaults and names filled in, types and values checked."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.providers.schema import Kind, Mode, Property, ResourceType, State
from localcloud.providers.values import UNKNOWN, is_empty

DEFAULTS = "__defaults"
SCALARS: Mapping[Kind, tuple[type, ...]] = {
    Kind.STRING: (str,),
    Kind.INTEGER: (int,),
    Kind.NUMBER: (int, float),
    Kind.BOOLEAN: (bool,),
}

COMPOUNDS: Mapping[Kind, tuple[type, str]] = {
    Kind.LIST: (list, "a list"),
    Kind.SET: (list, "a list"),
    Kind.OBJECT: (Mapping, "an object"),
    Kind.MAP: (Mapping, "a map"),
}


@dataclass(frozen=True)
class Autonaming:
    """How the engine wants a resource to be named. mode: "propose", "enforce" or "disable"."""

    mode: str
    proposed: str


@dataclass(frozen=True)
class Failure:
    """An input that cannot be used: where it is and what is wrong with it."""

    property: str
    reason: str


def check(
    resource: ResourceType,
    logical_name: str,
    news: Mapping[str, Any],
    olds: Mapping[str, Any],
    entropy: bytes,
    autonaming: Autonaming | None = None,
) -> tuple[State, list[Failure]]:
    """The inputs with defaults, and what is wrong with them. An automatic name is kept from the old inputs."""
    failures: list[Failure] = []
    inputs, defaulted = _check_fields(resource.properties, news, "", failures)
    old_defaults = olds.get(DEFAULTS) or []
    for item in resource.properties:
        if not item.autonamed or item.name in inputs:
            continue
        if item.name in old_defaults and olds.get(item.name):
            inputs[item.name] = olds[item.name]
        elif autonaming is not None and autonaming.mode == "disable":
            continue
        elif autonaming is not None and autonaming.proposed:
            inputs[item.name] = autonaming.proposed
        else:
            inputs[item.name] = f"{logical_name}-{(entropy or secrets.token_bytes(4)).hex()[:7]}"
        defaulted.append(item.name)
    failures.extend(
        Failure(item.name, f"{resource.noun}: {item.name} is required")
        for item in resource.properties
        if item.mode is Mode.REQUIRED and item.name not in inputs
    )
    if resource.verify is not None and not failures:
        failures.extend(Failure(name, reason) for name, reason in resource.verify(inputs).items())
    inputs[DEFAULTS] = sorted(defaulted)
    return inputs, failures


def _check_fields(
    fields: tuple[Property, ...], given: Mapping[str, Any], path: str, failures: list[Failure]
) -> tuple[State, list[str]]:
    known = {item.name: item for item in fields}
    for name in given:
        if not name.startswith("__") and name != "id" and (name not in known or not known[name].is_input):
            allowed = ", ".join(sorted(item.name for item in fields if item.is_input))
            failures.append(Failure(_at(path, name), f"{_at(path, name)} cannot be set; what can be: {allowed}"))
    inputs: State = {}
    defaulted: list[str] = []
    for item in fields:
        value = given.get(item.name) if item.is_input else None
        if value is not None:
            inputs[item.name] = _check_value(item, value, _at(path, item.name), failures)
        elif not is_empty(item.default):
            inputs[item.name] = item.default
            defaulted.append(item.name)
    return inputs, defaulted


def _check_value(item: Property, value: Any, path: str, failures: list[Failure]) -> Any:
    if value is UNKNOWN:
        return value
    made = COMPOUNDS.get(item.kind)
    if made is not None and not isinstance(value, made[0]):
        failures.append(Failure(path, f"{path} must be {made[1]}, not {_shown(value)}"))
        return value
    if item.kind in (Kind.LIST, Kind.SET):
        return [_check_value(item.element, inner, f"{path}[{index}]", failures) for index, inner in enumerate(value)]
    if item.kind is Kind.OBJECT:
        inputs, defaulted = _check_fields(item.fields, value, path, failures)
        failures.extend(
            Failure(_at(path, inner.name), f"{_at(path, inner.name)} is required")
            for inner in item.fields
            if inner.mode is Mode.REQUIRED and inner.name not in inputs
        )
        return {**inputs, DEFAULTS: sorted(defaulted)}
    if item.kind is Kind.MAP:
        return {key: _check_scalar(item.element, inner, _at(path, key), failures) for key, inner in value.items()}
    return _check_scalar(item, value, path, failures)


def _check_scalar(item: Property, value: Any, path: str, failures: list[Failure]) -> Any:
    if value is UNKNOWN:
        return value
    value = _converted(item.kind, value)
    if not isinstance(value, SCALARS[item.kind]) or (isinstance(value, bool) and item.kind is not Kind.BOOLEAN):
        failures.append(Failure(path, f"{path} must be of type {item.kind}, not {_shown(value)}"))
    elif item.choices and value not in item.choices:
        shown = "it" if item.secret else repr(value)
        failures.append(Failure(path, f"{path}: {shown} is not one of {', '.join(map(repr, item.choices))}"))
    elif item.within is not None and not item.within[0] <= _size(value) <= item.within[1]:
        low, high = item.within
        what = "length" if isinstance(value, str) else "value"
        failures.append(Failure(path, f"{path}: the {what} {_size(value):g} is not within {low:g} to {high:g}"))
    elif item.mode is Mode.REQUIRED and value == "" and not item.keep_empty:
        failures.append(Failure(path, f"{path} must not be empty"))
    return value


def _converted(kind: Kind, value: Any) -> Any:
    """Numbers given as strings and strings given as numbers are taken for what they are meant to be."""
    if kind is Kind.STRING and isinstance(value, bool):
        return "true" if value else "false"
    if kind is Kind.STRING and isinstance(value, int | float):
        return str(value)
    if kind is Kind.BOOLEAN and value in ("true", "false"):
        return value == "true"
    if kind in (Kind.INTEGER, Kind.NUMBER) and isinstance(value, str):
        try:
            return int(value) if kind is Kind.INTEGER else float(value)
        except ValueError:
            return value
    return value


def _size(value: Any) -> float:
    return len(value) if isinstance(value, str) else float(value)


def _shown(value: Any) -> str:
    return type(value).__name__


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
