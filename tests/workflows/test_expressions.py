"""The runner's expressions, which every walk relies on."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.workflows.expressions import asks_for_status, evaluate, fill

CONTEXT = {"vars": {"TEAM": "readers"}, "matrix": {"stack": "prod"}, "steps": {"report": {"outcome": "failure"}}}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "always": lambda: True,
    "fromJSON": json.loads,
    "hashFiles": lambda name: name if name == "here" else "",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${{ matrix.stack }}-preview", "prod-preview"),
        ("${{ vars.RUNNER || 'ubuntu' }}", "ubuntu"),
        ("${{ vars.TEAM && 'team:' }}${{ vars.TEAM }}", "team:readers"),
        ("${{ vars.NONE && 'team:' }}${{ vars.NONE }}", ""),
        ("as:${{ vars.TEAM && 'team' || 'organization' }}", "as:team"),
        ("${{ fromJSON('[\"a\"]') }}", ["a"]),
        ("${{ 'it''s' }}", "it's"),
    ],
)
def test_texts(text: str, value: Any) -> None:
    assert fill(text, CONTEXT, FUNCTIONS) == value


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("steps.report.outcome != 'success'", True),
        ("hashFiles('here') != '' && steps.report.outcome == 'success'", False),
        ("(matrix.stack == 'dev' || matrix.stack == 'prod') && always()", True),
    ],
)
def test_conditions(condition: str, holds: bool) -> None:
    assert evaluate(condition, CONTEXT, FUNCTIONS) is holds
    assert asks_for_status(condition) is ("always" in condition)


@pytest.mark.parametrize("text", ["steps.reprot.outcome", "matrix.stack matrix.stack", "matrix.stack + 1", "secret.A"])
def test_what_is_not_known_is_a_mistake(text: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        evaluate(text, CONTEXT, FUNCTIONS)
