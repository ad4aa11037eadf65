"""Turns pydantic's complaints into sentences that name the file, line, key and what is allowed."""

import re
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from trellis.settings.model import Misfit
from trellis.settings.source import Location, shown

_NO_MODEL = object()
_LONG_NUMBER_BITS = 256

# What pydantic calls the kinds of value -> what a file's reader calls them.
_WANTED = {
    "string": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple": "a list",
    "list": "a list",
    "frozen_set": "a list",
    "set": "a list",
    "dict": "keys and values",
    "mapping": "keys and values",
    "model": "keys and values",
    "model_attributes": "keys and values",
}


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
            allowed = re.sub(r"<\w+\.\w+: ('[^']*')>", r"\1", detail["ctx"]["expected"]).replace(" or ", ", ")
            text = f"{_value(value)} is not allowed. Allowed: {allowed}"
        case "string_pattern_mismatch":
            text = f"{_value(value)} does not have the form {detail['ctx']['pattern']}"
        case _ if wanted := _WANTED.get(kind.removesuffix("_type").removesuffix("_parsing")):
            text = f"expected {wanted}, not {_value(value)}"
        case _:
            text = f"{_value(value)}: {message.replace('Input should', 'it should').replace('Value', 'it')}"
    return f"{place(location)}: {text}."


def _value(value: Any) -> str:
    """A value as its file has it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            return f"'{shown(value)}'"
        case int() if value.bit_length() > _LONG_NUMBER_BITS:
            return "a very long number"
        case int() | float():
            return str(value)
        case Mapping():
            return "keys and values"
        case _:
            return "a list"


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
