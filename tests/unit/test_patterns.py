"""Regular expressions keep to what `re` does alike on every Python: 3.11.2 misreads what was new in 3.11."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEW_IN_3_11 = re.compile(r"(?<!\\)(?:[*+?]|\{[0-9]*,?[0-9]*\})[+]|\(\?>")


def _texts(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in ROOT.glob("*/__init__.py")))
def test_no_possessive_quantifier_and_no_atomic_group(folder: str) -> None:
    for module in (ROOT / folder).rglob("*.py"):
        found = [text for text in _texts(module) if NEW_IN_3_11.search(text)]
        assert not found or module == Path(__file__), f"{module.relative_to(ROOT)}: {found}"


@pytest.mark.parametrize("pattern", ["[^a]++", "a*+", "(?:a|b)?+", "a{2,3}+", "(?>a)"])
def test_what_is_found(pattern: str) -> None:
    assert NEW_IN_3_11.search(pattern)
    assert not NEW_IN_3_11.search(r"a\++ [*]b+ (?=a)")
