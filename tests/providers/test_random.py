"""Random values: what they are made of, and that they stay until something asks for new ones."""

import base64
import os
import string
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import bcrypt
import pytest

from tests.providers.plugin import Plugin, Resource

PASSWORD = "random:index/randomPassword:RandomPassword"
TEXT = "random:index/randomString:RandomString"
IDENTIFIER = "random:index/randomId:RandomId"
UUID = "random:index/randomUuid:RandomUuid"


@pytest.fixture
def plugin() -> Iterator[Plugin]:
    with Plugin([sys.executable, "-m", "localcloud.providers.random"], dict(os.environ), {}) as started:
        yield started


def made(plugin: Plugin, token: str, inputs: dict[str, Any]) -> Resource:
    """A resource of these inputs."""
    urn = plugin.urn(token, "it")
    checked, failures = plugin.check(urn, inputs)
    assert failures == []
    return plugin.create(urn, checked)


def test_password_is_secret_and_hashed(plugin: Plugin) -> None:
    outputs = made(plugin, PASSWORD, {"length": 24}).outputs
    password, hashed = outputs["result"]["value"], outputs["bcryptHash"]["value"]
    assert len(password) == 24
    assert bcrypt.checkpw(password.encode(), hashed.encode())


def test_classes(plugin: Plugin) -> None:
    inputs = {"length": 40, "special": False, "upper": False, "minNumeric": 30, "minLower": 5}
    result = made(plugin, TEXT, inputs).outputs["result"]
    assert set(result) <= set(string.ascii_lowercase + string.digits)
    assert sum(letter.isdigit() for letter in result) >= 30
    assert sum(letter.islower() for letter in result) >= 5


def test_own_special_characters(plugin: Plugin) -> None:
    result = made(plugin, TEXT, {"length": 30, "overrideSpecial": "_", "minSpecial": 20}).outputs["result"]
    assert result.count("_") >= 20
    assert set(result) <= set(string.ascii_letters + string.digits + "_")


@pytest.mark.parametrize(
    "inputs",
    [
        {"length": 3, "minUpper": 2, "minLower": 2},
        {"length": 0},
        {"length": 8, "lower": False, "upper": False, "numeric": False, "special": False},
    ],
)
def test_impossible_strings_are_refused(plugin: Plugin, inputs: dict[str, Any]) -> None:
    _, failures = plugin.check(plugin.urn(TEXT, "it"), inputs)
    assert [name for name, _ in failures] == ["length"]


def test_spellings_of_an_identifier(plugin: Plugin) -> None:
    found = made(plugin, IDENTIFIER, {"byteLength": 9, "prefix": "villa-"})
    raw = bytes.fromhex(found.outputs["hex"].removeprefix("villa-"))
    assert len(raw) == 9
    assert found.id == base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert found.outputs["b64Url"] == f"villa-{found.id}"
    assert found.outputs["b64Std"] == f"villa-{base64.b64encode(raw).decode()}"
    assert found.outputs["dec"] == f"villa-{int.from_bytes(raw, 'big')}"


def test_uuid(plugin: Plugin) -> None:
    found = made(plugin, UUID, {})
    assert uuid.UUID(found.outputs["result"]).version == 4
    assert found.id == found.outputs["result"]


@pytest.mark.parametrize(("token", "inputs"), [(PASSWORD, {"length": 8}), (IDENTIFIER, {"byteLength": 4}), (UUID, {})])
def test_kept_until_a_keeper_changes(plugin: Plugin, token: str, inputs: dict[str, Any]) -> None:
    found = made(plugin, token, inputs | {"keepers": {"version": "1"}})
    same, _ = plugin.check(found.urn, inputs | {"keepers": {"version": "1"}}, found.inputs)
    assert list(plugin.diff(found, same).diffs) == []
    assert plugin.read(found).outputs == found.outputs
    new, _ = plugin.check(found.urn, inputs | {"keepers": {"version": "2"}}, found.inputs)
    assert list(plugin.diff(found, new).replaces) == ["keepers"]


def test_imported_password(plugin: Plugin) -> None:
    found = plugin.read(Resource(plugin.urn(PASSWORD, "it"), "a-known-password", {}, {}))
    assert found.id == "none"
    assert found.outputs["result"]["value"] == "a-known-password"
    assert found.inputs["length"] == 16
