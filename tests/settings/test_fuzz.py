"""Whatever stands in a system file or in a stack's config: settings, or our own error in plain words."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from tests.settings.conftest import SYSTEM
from tools import ROOT
from trellis import settings
from trellis.settings import SettingsError
from trellis.settings.stack import StackConfig

WHOLE = yaml.safe_load(SYSTEM)
# What only Python, pydantic or yaml says.
LEAK = re.compile(
    r"<[A-Z]\w+\.|<class|valid (tuple|dictionary|list|string)|constrained|Input should|pydantic|NoneType|"
    r"\bdict\b|\btuple\b|frozenset|Traceback|object at 0x|ordinal not in|maximum recursion|\bNone\b"
)

WORDS = st.sampled_from(
    ["", " ", "launch", "scale", "17", "18.4", "${", "${pool", "${}", "a b", "10.0.0.0/8", "0.0.0.0/1", "é", "x" * 300,
     "\x00", "\x1b[31m", "\u202e", "-1", "1e309", "99999999999999999999", "2024-02-31", "*", "&a", "../..", "NULL"]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), st.dates(), st.datetimes(), WORDS, st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS | WORDS, inner, max_size=3),
    max_leaves=6,
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(inner, (*at, key))


def put(at: tuple[Any, ...], value: Any) -> Any:
    """The small system with one place of it changed."""
    if not at:
        return value
    whole = copy.deepcopy(WHOLE)
    place = whole
    for part in at[:-1]:
        place = place[part]
    place[at[-1]] = value
    return whole


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program")
    (folder / "systems").mkdir()
    (folder / "migrations" / "shop" / "shop").mkdir(parents=True)
    return folder


def outcome(root: Path, **config: str) -> None:
    try:
        settings.load({"trellis:system": "shop", **config}, root, stack="dev")
    except SettingsError as error:
        said = str(error)
        assert not LEAK.search(said), said
        assert said.isprintable() or all(line.isprintable() for line in said.splitlines()), said


QUICK = how(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(at=st.sampled_from(list(paths(WHOLE))), value=VALUES)
def test_any_value_anywhere(root: Path, at: tuple[Any, ...], value: Any) -> None:
    text = yaml.safe_dump(put(at, value), allow_unicode=True)
    (root / "systems" / "shop.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    outcome(root)


@QUICK
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes(root: Path, content: bytes) -> None:
    (root / "systems" / "shop.yaml").write_bytes(content)
    outcome(root)


@QUICK
@given(data=st.data())
def test_any_cut_or_inserted_text(root: Path, data: st.DataObject) -> None:
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(SYSTEM))] * 2)))
    between = data.draw(WORDS | st.text(alphabet="{}[]&*!|>%@`'\"#,?:- \n\t", max_size=8))
    (root / "systems" / "shop.yaml").write_text(SYSTEM[:start] + between + SYSTEM[end:])
    outcome(root)


@QUICK
@given(key=st.sampled_from([*StackConfig.model_fields, "nonsense", ""]), value=VALUES)
def test_any_value_in_the_stacks_config(root: Path, key: str, value: Any) -> None:
    (root / "systems" / "shop.yaml").write_text(SYSTEM)
    alias = StackConfig.model_fields[key].alias or key if key in StackConfig.model_fields else key
    text = value if isinstance(value, str) else json.dumps(value, default=str, skipkeys=True)
    outcome(root, **{f"trellis:{alias}": text})


@pytest.mark.parametrize(
    "text",
    [
        "[" * 3000,
        "a: " * 3000,
        "{a: " * 1000 + "1" + "}" * 1000,
        "&a [*a]",
        "x: &a\n  y: *a",
        "? [a, b]\n: 1",
        "? {a: 1}\n: 1",
        "clusters: 2024-02-31",
        "clusters: 2024-02-31T99:00:00",
        "a: !!python/object:os.system x",
        "a: !!binary ===",
        "a: !!int x",
        "a: !!float x",
        "- 1\n- 2",
        "--- 1\n--- 2",
        "\x00",
        "name: \x07",
        "name: 0x" + "f" * 5000,
        "name: " + "9" * 5000,
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: &d [*c, *c]\ne: [*d, *d, *d, *d]",
        "<<: 1",
        "<<: [1]",
        "a: *b",
    ],
)
def test_hostile_yaml(root: Path, text: str) -> None:
    (root / "systems" / "shop.yaml").write_text(text)
    with pytest.raises(SettingsError):
        settings.load({"trellis:system": "shop"}, root, stack="dev")
    outcome(root)


def test_a_broken_file_of_another_system_is_that_systems_problem(root: Path) -> None:
    (root / "systems" / "shop.yaml").write_text(SYSTEM)
    (root / "systems" / "other.yaml").write_text("{")
    settings.load({"trellis:system": "shop"}, root, stack="dev")
    (root / "systems" / "other.yaml").unlink()


def test_every_committed_system_loads() -> None:
    for path in (ROOT / "systems").glob("*.yaml"):
        settings.load({"trellis:system": path.stem, "trellis:environment": "development"}, ROOT, stack="dev")
