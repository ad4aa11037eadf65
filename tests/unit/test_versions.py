"""What a stack's system makes the machine bring."""

import os
from collections.abc import Collection
from pathlib import Path

import pytest
import yaml

from trellis.development import dev
from trellis.development.progress import Failure

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
    monkeypatch.setattr(dev, "bring", bring)
    dev._parts({"trellis:system": "shop"}, tmp_path)
    assert asked == [(versions, droplets)]


@pytest.mark.parametrize(
    ("system", "config", "droplets"),
    [
        ("droplets:\n  web: {}\n", {}, True),
        ("clusters:\n  main:\n    self_hosted: {}\n", {}, False),
        ("clusters:\n  main:\n    self_hosted: {}\n", {"trellis:mode": "self-hosted"}, True),
        ("clusters:\n  main:\n    self_hosted: {}\n", {"trellis:fallback": "self-hosted"}, True),
    ],
)
def test_who_is_not_root_is_told_before_anything_is_deployed(
    system: str, config: dict[str, str], droplets: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "shop.yaml").write_text(system)
    config |= {"trellis:system": "shop", "digitalocean:apiEndpoint": "http://127.0.0.1:7080"}
    (tmp_path / "Pulumi.shop.yaml").write_text(yaml.safe_dump({"config": config}))
    monkeypatch.setattr(dev, "_parts", lambda *_: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    if droplets:
        with pytest.raises(Failure, match=r"'shop' has Droplets.*only root can start"):
            dev._workspace("shop", tmp_path)
    else:
        assert dev._workspace("shop", tmp_path).port == 7080
