"""Turns pydantic's complaints into sentences that name the file, line, key and what is allowed."""

from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from trellis.settings.model import Misfit
from trellis.settings.source import Location

_NO_MODEL = object()


def explain(error: ValidationError, model: type[BaseModel], place: Callable[[Location], str]) -> str:
    """One line a complaint. `place` gives the text that opens it: the file, the line and the key."""
    return "\n".join(_sentence(detail, model, place) for detail in error.errors(include_url=False))


def _sentence(detail: Any, model: type[BaseModel], place: Callable[[Location], str]) -> str:
    location = tuple(part for part in detail["loc"] if part != "[key]")
    message, kind, value = detail["msg"], detail["type"], detail["input"]
    match kind:
        case "extra_forbidden":
            text = f"unknown key. Allowed here: {', '.join(_keys(model, location[:-1]))}"
        case "missing":
            text = "this key is needed and missing"
        case "value_error":
            cause = detail["ctx"]["error"]
            if isinstance(cause, Misfit):
                location = (*location, *cause.location)
            text = str(cause)
        case "enum" | "literal_error":
            text = f"{value!r} is not allowed. Allowed: {detail['ctx']['expected'].replace(' or ', ', ')}"
        case "string_pattern_mismatch":
            text = f"{value!r} does not have the form {detail['ctx']['pattern']}"
        case _:
            text = (
                f"{message[0].lower()}{message[1:]}, not {value!r}"
                if kind.endswith("_type")
                else f"{value!r}: {message}"
            )
    return f"{place(location)}: {text}."


def _keys(model: Any, location: Location) -> list[str]:
    for part in location:
        model = _inner(model, part)
    fields: Mapping[str, Any] = getattr(model, "model_fields", {})
    return [field.alias or name for name, field in fields.items()]


def _inner(annotation: Any, part: str | int) -> Any:
    fields: Mapping[str, Any] = getattr(annotation, "model_fields", {})
    if fields:
        field = next((f for name, f in fields.items() if part in (name, f.alias)), None)
        return _bare(field.annotation) if field else _NO_MODEL
    arguments = get_args(annotation)
    return _bare(arguments[-1] if get_origin(annotation) is dict else arguments[0]) if arguments else _NO_MODEL


def _bare(annotation: Any) -> Any:
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _bare(next(argument for argument in get_args(annotation) if argument is not NoneType))
    return annotation
