"""Who has to be told that a run changed the stack's file."""

import subprocess
from pathlib import Path

import pytest

from trellis.operations.up import _has_to_be_committed


def test_a_file_under_version_control_and_every_file_in_ci_has_to_be_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    tracked, own = (tmp_path / f"Pulumi.{name}.yaml" for name in ("prod", "mine"))
    for file in (tracked, own):
        file.write_text("config: {}\n")
    assert not _has_to_be_committed(tracked)
    for command in (("init", "--quiet"), ("add", tracked.name)):
        subprocess.run(("git", *command), cwd=tmp_path, check=True)
    assert _has_to_be_committed(tracked)
    assert not _has_to_be_committed(own)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not _has_to_be_committed(tracked)
    monkeypatch.setenv("CI", "true")
    assert _has_to_be_committed(own)
