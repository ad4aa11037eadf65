"""Which PostgreSQL servers a checkout's stacks need."""

from pathlib import Path

import pytest

from tools import dev

SYSTEM = "name: {name}\nclusters:\n  main:\n    version: {version}  # the newest\n    users: [app]\n"


def test_the_versions_of_all_systems_are_brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "systems").mkdir()
    for name, version in (("one", '"17"'), ("two", "'15'"), ("three", "15"), ("none", "")):
        (tmp_path / "systems" / f"{name}.yaml").write_text(SYSTEM.format(name=name, version=version))
    (tmp_path / "systems" / "broken.yaml").write_text("clusters: [\n  version: oops")
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    assert dev.postgresql_versions() == {"15", "17"}
