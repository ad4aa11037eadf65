"""What a resource type looks like: its properties as data, and the few operations that differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcloud.providers.context import Context
    from localcloud.providers.planning import Plan

State = dict[str, Any]


class Kind(StrEnum):
    """The type of a property's value."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"
    SET = "set"
    OBJECT = "object"
    MAP = "map"


class Mode(Enum):
    """Who may say what a property is: the program, the API, or the API where the program does not."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    OPTIONAL_COMPUTED = "optional or computed"
    COMPUTED = "computed"


ZERO: Mapping[Kind, Any] = {
    Kind.STRING: "",
    Kind.INTEGER: 0,
    Kind.NUMBER: 0,
    Kind.BOOLEAN: False,
    Kind.LIST: [],
    Kind.SET: [],
    Kind.OBJECT: None,
    Kind.MAP: {},
}


def snake_case(name: str) -> str:
    """The API's spelling of a Pulumi name: "nodeCount" is "node_count"."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def camel_case(name: str) -> str:
    """Pulumi's spelling of a name of the API's."""
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


@dataclass(frozen=True, kw_only=True)
class Property:
    """One property of a resource or of an object inside one.

    name: as Pulumi spells it. wire: as the API spells it, the snake_case of name unless given.
    of: the kind of a list's or set's elements; fields: the properties of an object or of the elements.
    replace: a change needs a new resource. secret: never shown in plain text.
    autonamed: made from the resource's logical name where the program gives none.
    choices: the only values allowed. within: the lowest and highest value, or length of a string, allowed.
    same: true where an old and a new value mean the same. normalise: the form in which a value is kept.
    keep_empty: sent even when empty. explicit: sent when given, also as a zero.
    sent: part of create and update requests. received: taken from answers.
    single: a list to the program, an object to the API.
    as_planned: what is planned of an object stays in the new state until a refresh, as it is with sets.
    encode, decode: conversion to and from the API's JSON where the kind alone does not tell.
    """

    name: str
    kind: Kind = Kind.STRING
    mode: Mode = Mode.OPTIONAL
    wire: str = ""
    of: Kind | None = None
    fields: tuple[Property, ...] = ()
    replace: bool = False
    secret: bool = False
    autonamed: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    within: tuple[float, float] | None = None
    same: Callable[[Any, Any], bool] | None = None
    normalise: Callable[[Any], Any] | None = None
    keep_empty: bool = False
    explicit: bool = False
    sent: bool = True
    received: bool = True
    single: bool = False
    as_planned: bool = False
    encode: Callable[[Any], Any] | None = None
    decode: Callable[[Any], Any] | None = None

    @cached_property
    def key(self) -> str:
        """The API's name for the property."""
        return self.wire or snake_case(self.name)

    @property
    def is_input(self) -> bool:
        """True where a program may give a value."""
        return self.mode is not Mode.COMPUTED

    @property
    def is_computed(self) -> bool:
        """True where the API may give a value."""
        return self.mode in (Mode.COMPUTED, Mode.OPTIONAL_COMPUTED)

    @property
    def element(self) -> Property:
        """A list's or set's element as a property of its own."""
        if self.fields:
            return Property(name=self.name, kind=Kind.OBJECT, fields=self.fields, replace=self.replace)
        return Property(
            name=self.name, kind=self.of or Kind.STRING, replace=self.replace, same=self.same, secret=self.secret
        )


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """A resource type: its properties and how it is created, read, updated and deleted.

    token: Pulumi's type token. noun: what errors call it.
    collection, item: path templates of the API, filled from the state; an item is told by its id unless given.
    root: the key that wraps the object in answers; "" for none.
    update_method: the HTTP method that updates the item with every sent property; "" where `update` does it or
    nothing can be updated.
    lock: a template; creates and deletes with the same result are done one after the other.
    identify: the Pulumi id from the state and the API's object.
    settle: work between the create request and the first read. finish: what a read adds to the state.
    read_state, update, create, delete: replace the general operation where the API has its own way.
    verify: what is wrong with inputs beyond each one's own type and range, by property.
    adopt: the state to read from, for an id given to import; an id is the API's own where there is none.
    received: false where reading finds nothing that the state does not have.
    read_after_create, read_after_update: false where the answer to the request is the last word.
    """

    token: str
    noun: str
    properties: tuple[Property, ...]
    collection: str = ""
    item: str = ""
    root: str = ""
    update_method: str = ""
    lock: str = ""
    identify: Callable[[State, Mapping[str, Any]], str] = field(default=lambda _state, answer: str(answer["id"]))
    body: Callable[[Plan], dict[str, Any]] | None = None
    create: Callable[[Context, Plan], tuple[str, Mapping[str, Any]]] | None = None
    settle: Callable[[Context, Plan, State, Mapping[str, Any]], None] | None = None
    read: Callable[[Context, State], Mapping[str, Any]] | None = None
    finish: Callable[[Context, State, Mapping[str, Any]], None] | None = None
    update: Callable[[Context, Plan], None] | None = None
    delete: Callable[[Context, State], None] | None = None
    verify: Callable[[State], Mapping[str, str]] | None = None
    adopt: Callable[[str], State] | None = None
    read_after_create: bool = True
    read_after_update: bool = True
    received: bool = True

    def __post_init__(self) -> None:
        if self.collection and not self.item:
            object.__setattr__(self, "item", f"{self.collection}/{{id}}")

    @cached_property
    def by_name(self) -> Mapping[str, Property]:
        """The properties by Pulumi name."""
        return {item.name: item for item in self.properties}


@dataclass(frozen=True, kw_only=True)
class Function:
    """A look-up function of a provider.

    token: Pulumi's function token. required: arguments that must be given. call: arguments to results.
    secrets: results never shown in plain text.
    """

    token: str
    call: Callable[[Context, State], State]
    required: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


def _of(kind: Kind) -> Callable[..., Property]:
    def make(name: str, mode: Mode = Mode.OPTIONAL, **more: Any) -> Property:
        return Property(name=name, kind=kind, mode=mode, **more)

    return make


text, integer, number, boolean = map(_of, (Kind.STRING, Kind.INTEGER, Kind.NUMBER, Kind.BOOLEAN))
"""A property of this kind: its name, its mode, and whatever else Property has."""


def each(make: Callable[..., Property], names: str, mode: Mode = Mode.OPTIONAL, **more: Any) -> tuple[Property, ...]:
    """Properties that differ in their names alone."""
    return tuple(make(name, mode, **more) for name in names.split())


def texts(name: str, kind: Kind = Kind.LIST, mode: Mode = Mode.OPTIONAL, **more: Any) -> Property:
    """A list or set of strings."""
    return Property(name=name, kind=kind, mode=mode, of=more.pop("of", Kind.STRING), **more)


def objects(
    name: str, fields: tuple[Property, ...], kind: Kind = Kind.LIST, mode: Mode = Mode.OPTIONAL, **more: Any
) -> Property:
    """A list or set of objects."""
    return Property(name=name, kind=kind, mode=mode, fields=fields, **more)


def nested(name: str, fields: tuple[Property, ...], mode: Mode = Mode.OPTIONAL, **more: Any) -> Property:
    """One object."""
    return Property(name=name, kind=Kind.OBJECT, mode=mode, fields=fields, **more)
