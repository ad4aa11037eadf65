"""Create, read, update and delete of any resource type, from its description."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from string import Formatter
from typing import Any

from localcloud.providers.checking import DEFAULTS
from localcloud.providers.context import CancelledError, Context
from localcloud.providers.http import ApiError, quoted
from localcloud.providers.planning import Plan
from localcloud.providers.schema import Kind, Mode, Property, ResourceType, State
from localcloud.providers.values import UNKNOWN, canonical, decode, encode, has_unknown, is_empty


class GoneError(Exception):
    """The resource does not exist any more."""


class IncompleteError(Exception):
    """A resource exists, but a later step of making it failed.

    id, state: what is known of it; it must be kept so that nothing is orphaned.
    """

    def __init__(self, message: str, identity: str, state: State) -> None:
        super().__init__(message)
        self.id = identity
        self.state = state


def fill(template: str, state: Mapping[str, Any]) -> str:
    """A path from its template, each value as one segment."""
    names = [name for _, name, _, _ in Formatter().parse(template) if name]
    return template.format_map({name: quoted(state.get(name, "")) for name in names})


def one_at_a_time(context: Context, resource: ResourceType, state: State) -> AbstractContextManager[Any]:
    """Holds the lock of a resource type that has one."""
    return context.lock(fill(resource.lock, state)) if resource.lock else nullcontext()


def request_body(plan: Plan) -> dict[str, Any]:
    """The body of a create or update request."""
    if plan.type.body is not None:
        return plan.type.body(plan)
    return encode(plan.type.properties, known(plan.state))


def known(state: Mapping[str, Any]) -> State:
    """The parts of a state that are known already: of a nested value, too, what only the API can tell is left out."""
    return {
        name: _known_parts(value)
        for name, value in state.items()
        if isinstance(value, dict | list) or not has_unknown(value)
    }


def _known_parts(value: Any) -> Any:
    if isinstance(value, dict):
        return known(value)
    if isinstance(value, list):
        return [_known_parts(item) for item in value if isinstance(item, dict | list) or not has_unknown(item)]
    return value


def create(context: Context, plan: Plan) -> State:
    """Makes the resource and reads it back.

    Raises ApiError where nothing was made, IncompleteError where it was made but is not as planned.
    """
    resource = plan.type
    with one_at_a_time(context, resource, plan.state):
        if resource.create is not None:
            identity, answer = resource.create(context, plan)
        else:
            answer = context.api.call("POST", fill(resource.collection, plan.state), request_body(plan))
            answer = answer[resource.root] if resource.root else answer or {}
            identity = resource.identify(plan.state, answer)
    state = {**known(plan.state), "id": identity}
    try:
        if resource.settle is not None:
            resource.settle(context, plan, state, answer)
        return with_planned_sets(plan, read(context, resource, state) if resource.read_after_create else state)
    except (ApiError, TimeoutError, CancelledError, RuntimeError, GoneError) as error:
        raise IncompleteError(str(error) or "it is gone already", identity, state) from error


def read(context: Context, resource: ResourceType, state: State) -> State:
    """The state of what is there. Raises GoneError where nothing is, and ApiError."""
    try:
        if resource.read is not None:
            answer: Mapping[str, Any] = resource.read(context, state)
        else:
            answer = context.api.get(fill(resource.item, state))
            answer = answer[resource.root] if resource.root else answer
    except ApiError as error:
        if error.status == 404:
            raise GoneError from error
        raise
    found = {**state, **(decode(resource.properties, answer) if resource.received else {})}
    if resource.finish is not None:
        resource.finish(context, found, answer)
    return {name: value for name, value in found.items() if value is not None}


def update(context: Context, plan: Plan) -> State:
    """Brings the resource to the planned state and reads it back. Raises ApiError, GoneError, TimeoutError."""
    resource = plan.type
    try:
        if resource.update is not None:
            resource.update(context, plan)
        elif resource.update_method:
            context.api.call(resource.update_method, fill(resource.item, plan.state), request_body(plan))
    except ApiError as error:
        if error.status == 404:
            # Either the resource is gone, which reading it tells, or something that the update needs is.
            read(context, resource, known(plan.state))
        raise
    state = known(plan.state)
    return with_planned_sets(plan, read(context, resource, state)) if resource.read_after_update else state


def with_planned_sets(plan: Plan, state: State) -> State:
    """A new state in which each set that was planned to the last part is as planned.

    The official plugin does so too, and it matters where the API gives back something else, or nothing: the encrypted
    value of a secret variable, and who hears of an alert, are no change until a refresh has read them.
    """
    return _with_planned_sets(plan.type.properties, plan.state, state)


def _with_planned_sets(fields: Iterable[Property], planned: Mapping[str, Any], state: State) -> State:
    merged = dict(state)
    for item in fields:
        before, after = planned.get(item.name), state.get(item.name)
        if before is None or before is UNKNOWN:
            continue
        if after is not None:
            merged[item.name] = _planned_value(item, before, after)
        elif not item.received and not has_unknown(before):
            merged[item.name] = before
    return merged


def _planned_value(item: Property, planned: Any, value: Any) -> Any:
    if (item.kind is Kind.SET or item.as_planned) and planned and not has_unknown(planned):
        return planned
    if item.kind is Kind.OBJECT:
        return _with_planned_sets(item.fields, planned, value)
    if item.kind is Kind.LIST and item.fields and len(planned) == len(value):
        pairs = zip(planned, value, strict=True)
        return [_with_planned_sets(item.fields, old, new) for old, new in pairs]
    return value


def delete(context: Context, resource: ResourceType, state: State) -> None:
    """Deletes; what is gone already is a success. Raises ApiError and TimeoutError."""
    try:
        with one_at_a_time(context, resource, state):
            if resource.delete is not None:
                resource.delete(context, state)
            elif resource.item:
                context.api.call("DELETE", fill(resource.item, state))
    except ApiError as error:
        if error.status != 404:
            raise


def imported_inputs(resource: ResourceType, state: Mapping[str, Any]) -> State:
    """The inputs that would give this state, for a resource taken over rather than created."""
    inputs = _inputs_of(resource.properties, state)
    return {**inputs, DEFAULTS: []}


def _inputs_of(fields: tuple[Property, ...], state: Mapping[str, Any]) -> State:
    inputs: State = {}
    for item in fields:
        value = state.get(item.name)
        # What the API or a default would give anyway is nothing that a program says.
        given_anyway = value == item.default or (is_empty(value) and is_empty(item.default))
        if not item.is_input or (given_anyway and not (item.mode is Mode.REQUIRED and value is False)):
            continue
        inputs[item.name] = _input_value(item, value)
    return inputs


def _input_value(item: Property, value: Any) -> Any:
    if item.kind is Kind.OBJECT:
        return {**_inputs_of(item.fields, value), DEFAULTS: []}
    if item.kind in (Kind.LIST, Kind.SET) and item.fields:
        return [{**_inputs_of(item.fields, inner), DEFAULTS: []} for inner in value]
    return value


def refreshed_inputs(resource: ResourceType, inputs: Mapping[str, Any], state: Mapping[str, Any]) -> State:
    """The old inputs with the values that are there now; nothing is added that the program did not give."""
    return _refreshed(resource.properties, inputs, state)


def _refreshed(fields: tuple[Property, ...], inputs: Mapping[str, Any], state: Mapping[str, Any]) -> State:
    fresh: State = {}
    for name, value in inputs.items():
        item = next((field for field in fields if field.name == name), None)
        if item is None:
            if value:
                fresh[name] = value
        elif name in state:
            fresh[name] = _refreshed_value(item, value, state[name])
    return fresh


def _refreshed_value(item: Property, value: Any, now: Any) -> Any:
    if item.kind is Kind.OBJECT and isinstance(now, Mapping):
        return _refreshed(item.fields, value, now)
    if item.kind in (Kind.LIST, Kind.SET) and item.fields:
        if item.kind is Kind.SET:
            return _refreshed_set(item, value, now)
        if len(value) != len(now):
            return [_inputs_of(item.fields, inner) for inner in now]
        return [_refreshed(item.fields, old, inner) for old, inner in zip(value, now, strict=True)]
    # Where a value is kept in another form than it was given, the program's form stays.
    return value if now and item.normalise is not None and item.normalise(value) == now else now


def _refreshed_set(item: Property, value: list[Any], now: list[Any]) -> list[Any]:
    """Old elements that are still there keep their place; those that are gone drop out; new ones follow."""
    left = list(now)
    fresh = []
    for old in value:
        given = [field for field in item.fields if field.name in old]
        found = next((inner for inner in left if canonical(given, inner) == canonical(given, old)), None)
        if found is not None:
            left.remove(found)
            fresh.append(_refreshed(item.fields, old, found))
    return fresh + [_inputs_of(item.fields, inner) for inner in left]
