"""The resource types agree with the schemas of the official plugins, property by property."""

import json
from functools import cache
from typing import Any

import pytest

from localcloud.providers.digitalocean.package import PACKAGE as DIGITALOCEAN
from localcloud.providers.planning import plan
from localcloud.providers.random.package import PACKAGE as RANDOM
from localcloud.providers.schema import Kind, Mode, Property, ResourceType
from tests.contracts import locate

KINDS = {"string": Kind.STRING, "integer": Kind.INTEGER, "number": Kind.NUMBER, "boolean": Kind.BOOLEAN}
TYPES = [(package.name, resource) for package in (DIGITALOCEAN, RANDOM) for resource in package.resources]
EACH_TYPE = pytest.mark.parametrize(
    ("package", "resource"), TYPES, ids=[resource.token.split(":")[-1] for _, resource in TYPES]
)
# An older name of `numeric`, which the bundled random plugin gives out but does not take.
NOT_TAKEN = {"number"}
# What the bundled plugin leaves to the official one, by the end of a type's token, and inside an app's spec.
LEFT = {
    "DatabaseCluster": {"sqlMode"},
    "DatabaseUser": {"mysqlAuthPlugin", "settings"},
    "Droplet": {"backupPolicy"},
    "SpacesBucket": {"corsRules"},
}
LEFT_INSIDE = {"autoscaling", "cors", "logDestinations", "termination"}


@cache
def contract(package: str) -> dict[str, Any]:
    """The official plugin's schema."""
    path = locate(f"pulumi-{package}-schema.json")
    assert path
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def described(package: str, resource: ResourceType) -> dict[str, Any]:
    """The official description of a resource type."""
    found: dict[str, Any] = contract(package)["resources"][resource.token]
    return found


@EACH_TYPE
def test_properties(package: str, resource: ResourceType) -> None:
    official, left = described(package, resource), LEFT.get(resource.token.split(":")[-1], set())
    assert left <= set(official["properties"])
    assert {item.name for item in resource.properties} == set(official["properties"]) - left
    inputs = {item.name for item in resource.properties if item.is_input}
    assert inputs == set(official["inputProperties"]) - left - (NOT_TAKEN if package == "random" else set())


@EACH_TYPE
def test_required(package: str, resource: ResourceType) -> None:
    required = {item.name for item in resource.properties if item.mode is Mode.REQUIRED and not item.autonamed}
    assert required == set(described(package, resource).get("requiredInputs", []))


@EACH_TYPE
def test_secrets(package: str, resource: ResourceType) -> None:
    official = described(package, resource)["properties"]
    secret = {item.name for item in resource.properties if item.secret}
    assert secret == {name for name, item in official.items() if item.get("secret")}


@EACH_TYPE
def test_nested_types(package: str, resource: ResourceType) -> None:
    official = described(package, resource)
    for item in resource.properties:
        same_shape(package, item, official["properties"][item.name], item.name)


def same_shape(package: str, item: Property, official: dict[str, Any], path: str) -> None:
    """Asserts that a property and everything inside it has the official names, kinds and secrets."""
    if "additionalProperties" in official:
        assert item.kind is Kind.MAP, path
    elif official.get("type") == "array":
        assert item.kind in (Kind.LIST, Kind.SET), path
        same_shape(package, item.element, official["items"], f"{path}[]")
    elif "$ref" in official and "oneOf" not in official:
        referred = contract(package)["types"][official["$ref"].removeprefix("#/types/")]
        assert item.kind is Kind.OBJECT, path
        fields = {field.name: field for field in item.fields}
        left = LEFT_INSIDE if path.startswith("spec.") else set()
        assert set(fields) == set(referred["properties"]) - left, path
        for name, field in fields.items():
            inner = referred["properties"][name]
            assert field.secret == bool(inner.get("secret")), f"{path}.{name}"
            same_shape(package, field, inner, f"{path}.{name}")
    else:
        assert item.kind is KINDS[official["type"]], path


def sample(item: Property, number: int) -> Any:
    """A value of a property, another one for each number."""
    if item.choices:
        return item.choices[number % len(item.choices)]
    if item.kind is Kind.STRING:
        return f"value-{number}"
    if item.kind in (Kind.INTEGER, Kind.NUMBER):
        return 20 + number
    if item.kind is Kind.BOOLEAN:
        return bool(number % 2)
    if item.kind is Kind.MAP:
        return {"key": f"value-{number}"}
    if item.kind is Kind.OBJECT:
        return {field.name: sample(field, number) for field in item.fields if field.is_input}
    return [sample(item.element, number)]


@EACH_TYPE
def test_replace_or_update(package: str, resource: ResourceType) -> None:
    official = described(package, resource)
    inputs = {item.name: sample(item, 1) for item in resource.properties if item.is_input}
    state = plan(resource, "", {}, inputs).state | {"id": "id"}
    assert plan(resource, "id", state, inputs).changes == {}
    for item in resource.properties:
        if not item.is_input:
            continue
        changed = plan(resource, "id", state, {**inputs, item.name: sample(item, 2)})
        assert changed.changed(item.name), item.name
        # Every property of a random value is fixed for its life, which that provider's schema does not say.
        replaced = package == "random" or official["inputProperties"][item.name].get("willReplaceOnChanges", False)
        assert changed.replaces == ([item.name] if replaced else []), item.name


@pytest.mark.parametrize("function", DIGITALOCEAN.functions, ids=[item.token for item in DIGITALOCEAN.functions])
def test_functions(function: Any) -> None:
    official = contract("digitalocean")["functions"][function.token]
    assert set(function.required) == set(official["inputs"].get("required", []))
    secret = {name for name, item in official["outputs"]["properties"].items() if item.get("secret")}
    assert set(function.secrets) == secret
