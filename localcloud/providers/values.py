"""Values between Pulumi's protocol, the engine here, and an API's JSON."""

from __future__ import annotations

import base64
import datetime
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf import struct_pb2

from localcloud.providers.schema import ZERO, Kind, Mode, Property

_UNKNOWN_ON_THE_WIRE: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_SIGNATURE_KEY: Final = "4dabf18193072939515e22adb298388d"
_SECRET_SIGNATURE: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105
_OUTPUT_SIGNATURE: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"


class Unknown:
    """A value that only an update will tell."""

    def __repr__(self) -> str:
        return "<unknown>"

    def __deepcopy__(self, _memo: dict[int, Any]) -> Unknown:
        return self


UNKNOWN: Final = Unknown()


def from_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    """A protobuf Struct as Python values; secrets are opened, nulls left out."""
    return {
        key: value
        for key, value in ((key, _from_value(item)) for key, item in struct.fields.items())
        if value is not None
    }


def _from_value(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value == _UNKNOWN_ON_THE_WIRE else value.string_value
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    if kind == "struct_value":
        fields = value.struct_value.fields
        if _SIGNATURE_KEY in fields:
            signature = fields[_SIGNATURE_KEY].string_value
            if signature == _SECRET_SIGNATURE:
                return _from_value(fields["value"])
            if signature == _OUTPUT_SIGNATURE:
                return _from_value(fields["value"]) if "value" in fields else UNKNOWN
        return from_struct(value.struct_value)
    return None


def to_struct(values: Mapping[str, Any], properties: Iterable[Property] = ()) -> struct_pb2.Struct:
    """Python values as a protobuf Struct; what the properties call secret is marked as such."""
    struct = struct_pb2.Struct()
    by_name = {item.name: item for item in properties}
    for name, value in values.items():
        if value is not None:
            struct.fields[name].CopyFrom(_to_value(value, by_name.get(name)))
    return struct


def _to_value(value: Any, of: Property | None) -> struct_pb2.Value:
    if of is not None and of.secret:
        marked = struct_pb2.Struct()
        marked.fields[_SIGNATURE_KEY].string_value = _SECRET_SIGNATURE
        marked.fields["value"].CopyFrom(_to_value(value, None))
        return struct_pb2.Value(struct_value=marked)
    if value is UNKNOWN:
        return struct_pb2.Value(string_value=_UNKNOWN_ON_THE_WIRE)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, Mapping):
        return struct_pb2.Value(struct_value=to_struct(value, of.fields if of else ()))
    element = of.element if of is not None and of.kind in (Kind.LIST, Kind.SET) else None
    items = [_to_value(item, element) for item in value]
    return struct_pb2.Value(list_value=struct_pb2.ListValue(values=items))


def has_unknown(value: Any) -> bool:
    """True where a value, or anything inside it, is not known yet."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def is_empty(value: Any) -> bool:
    """True for what the API cannot tell from nothing: null, "", 0, false, an empty list, an object of such."""
    if isinstance(value, Mapping):
        return all(is_empty(item) for item in value.values())
    return value in (None, "", 0, False, [])


def encode(properties: Iterable[Property], values: Mapping[str, Any]) -> dict[str, Any]:
    """The API's JSON object for these values of these properties."""
    body: dict[str, Any] = {}
    for item in properties:
        if not item.sent or item.mode is Mode.COMPUTED:
            continue
        value = encode_value(item, values.get(item.name))
        given = value is not None and (item.explicit or not is_empty(value))
        if item.keep_empty or given or _is_shape(item, values.get(item.name)):
            body[item.key] = ZERO[item.kind] if value is None else value
    return body


def _is_shape(item: Property, value: Any) -> bool:
    """True for an object that is there although everything in it is empty."""
    return value is not None and (item.kind is Kind.OBJECT or (item.single and value != []))


def encode_value(item: Property, value: Any) -> Any:
    """The API's JSON for one value."""
    if value is None or value is UNKNOWN:
        return None
    if item.encode is not None:
        return item.encode(value)
    if item.kind is Kind.OBJECT:
        return encode(item.fields, value)
    if item.kind in (Kind.LIST, Kind.SET):
        if item.fields:
            bodies = [encode(item.fields, inner) for inner in value]
            return bodies[0] if item.single and bodies else bodies
        return [encode_value(item.element, inner) for inner in value]
    return value


def decode(properties: Iterable[Property], body: Mapping[str, Any]) -> dict[str, Any]:
    """The values of these properties in the API's JSON object; what the API leaves out has its kind's zero."""
    return {item.name: decode_value(item, body.get(item.key)) for item in properties if item.received}


def decode_value(item: Property, value: Any) -> Any:
    """The value of one property in the API's JSON."""
    if item.decode is not None:
        return item.decode(value)
    if value is None:
        return ZERO[item.kind] if item.kind is not Kind.LIST and item.kind is not Kind.SET else []
    if item.kind is Kind.OBJECT:
        return decode(item.fields, value)
    if item.kind in (Kind.LIST, Kind.SET):
        values = [value] if item.single else value
        decoded = [decode(item.fields, inner) if item.fields else inner for inner in values]
        return sort_set(item, decoded) if item.kind is Kind.SET else decoded
    return value


def sort_set(item: Property, values: list[Any]) -> list[Any]:
    """A set in the order it is kept: sorted, so that an API's order never shows as a change."""
    if item.fields:
        return sorted(values, key=lambda inner: canonical(item.fields, inner))
    return sorted(dict.fromkeys(values), key=lambda inner: (str(type(inner)), inner))


def canonical(fields: Iterable[Property], value: Mapping[str, Any]) -> str:
    """What tells one element of a set from another: everything that is not the API's alone."""
    given = {item.name: _normal(item, value.get(item.name)) for item in fields if item.is_input}
    told = {name: None if item is UNKNOWN or is_empty(item) else item for name, item in given.items()}
    return json.dumps(told, sort_keys=True, default=repr)


def _normal(item: Property, value: Any) -> Any:
    return item.normalise(value) if item.normalise is not None and isinstance(value, str) else value


def halves(identity: str, separator: str, what: str, example: str) -> tuple[str, str]:
    """The two parts of an id given to import. Raises ValueError."""
    first, found, second = identity.partition(separator)
    if not found:
        raise ValueError(f"give {what} joined with {separator!r}, as in {example}; not {identity!r}")
    return first, second


def from_base64(value: str) -> str:
    """The text in a base64 string."""
    return base64.b64decode(value).decode()


def go_time(value: str) -> str:
    """An RFC 3339 time as Go prints it, which is how the official plugin keeps it."""
    matched = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", value or "")
    if matched is None:
        return "0001-01-01 00:00:00 +0000 UTC"
    moment, fraction, zone = matched.groups()
    instant = datetime.datetime.fromisoformat(moment + ("+00:00" if zone == "Z" else zone))
    rest = (fraction or "").rstrip("0").rstrip(".")
    return instant.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S") + rest + " +0000 UTC"
