"""Random values: what they are made of, and that they stay until something asks for new ones."""

import os
import string
import sys
from collections.abc import Iterator
from typing import Any

import bcrypt
import pytest

from tests.providers.plugin import Plugin, Resource

PASSWORD = "random:index/randomPassword:RandomPassword"


@pytest.fixture
def plugin() -> Iterator[Plugin]:
    with Plugin([sys.executable, "-m", "localcloud.providers.random"], dict(os.environ), {}) as started:
        yield started


def made(plugin: Plugin, inputs: dict[str, Any]) -> Resource:
    """A password of these inputs."""
    urn = plugin.urn(PASSWORD, "it")
    checked, failures = plugin.check(urn, inputs)
    assert failures == []
    return plugin.create(urn, checked)


def test_password_is_secret_and_hashed(plugin: Plugin) -> None:
    outputs = made(plugin, {"length": 24}).outputs
    password, hashed = outputs["result"]["value"], outputs["bcryptHash"]["value"]
    assert len(password) == 24
    assert bcrypt.checkpw(password.encode(), hashed.encode())


def test_classes(plugin: Plugin) -> None:
    inputs = {"length": 40, "special": False, "upper": False, "minNumeric": 30, "minLower": 5}
    result = made(plugin, inputs).outputs["result"]["value"]
    assert set(result) <= set(string.ascii_lowercase + string.digits)
    assert sum(letter.isdigit() for letter in result) >= 30
    assert sum(letter.islower() for letter in result) >= 5


def test_own_special_characters(plugin: Plugin) -> None:
    result = made(plugin, {"length": 30, "overrideSpecial": "_", "minSpecial": 20}).outputs["result"]["value"]
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
    _, failures = plugin.check(plugin.urn(PASSWORD, "it"), inputs)
    assert [name for name, _ in failures] == ["length"]


def test_kept_until_a_keeper_changes(plugin: Plugin) -> None:
    inputs = {"length": 8}
    found = made(plugin, inputs | {"keepers": {"version": "1"}})
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
