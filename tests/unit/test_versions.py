"""What a stack's system makes the machine bring."""

from collections.abc import Collection
from pathlib import Path

import pytest

from tools import dev

SYSTEM = """\
clusters:
  main:
    version: "15"  # the oldest we run
  other:
    version: '17'
{more}
"""


@pytest.mark.parametrize(
    ("text", "versions", "droplets"),
    [
        (SYSTEM.format(more=""), {"15", "17"}, False),
        (SYSTEM.format(more="    self_hosted: {}"), {"15", "17"}, True),
        (SYSTEM.format(more="droplets:\n  web: {size: s-1vcpu-1gb}"), {"15", "17"}, True),
        ("clusters: [\n  version: oops", set(), False),
    ],
)
def test_only_what_the_system_names_is_brought(
    text: str, versions: set[str], droplets: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[set[str], bool]] = []

    def bring(versions: Collection[str], *, droplets: bool) -> None:
        asked.append((set(versions), droplets))

    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "shop.yaml").write_text(text)
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "bring", bring)
    dev._parts("shop")
    assert asked == [(versions, droplets)]
