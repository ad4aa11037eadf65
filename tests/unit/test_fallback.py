"""When `trellis up` falls back, and who has to be told that it changed the stack's file."""

import subprocess
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from trellis.operations import up
from trellis.operations.deployment import Deployment
from trellis.operations.up import _has_to_be_committed
from trellis.policies.kinds import CLUSTER


class _Engine:
    """An engine whose stack holds these resources, and what it was told to change."""

    def __init__(self, *resources: dict[str, Any]) -> None:
        self.resources = list(resources)
        self.told: list[tuple[str, ...]] = []

    def state(self, **_: Any) -> dict[str, Any]:
        return {"resources": self.resources}

    def configuration(self) -> dict[str, str]:
        return {"trellis:environment": "development", "trellis:fallback": "self-hosted"}

    def record_mode(self, mode: str) -> None:
        self.told.append(("state", mode))

    def set_config(self, key: str, value: str) -> None:
        self.told.append((key, value))


@pytest.mark.parametrize("holds_data", [False, True])
def test_a_stack_that_holds_data_never_falls_back(
    holds_data: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    cluster = {"type": CLUSTER, "urn": "urn::shop-db", "inputs": {"engine": "pg"}, "id": "1"}
    failed = {"urn": "urn::more-db", "type": CLUSTER, "op": "create", "new": {"inputs": {"engine": "pg"}}}
    runs = iter((Deployment(code=255, planned=(), failed=(failed,)), Deployment(code=0, planned=(), failed=())))
    engine = _Engine(*([cluster] if holds_data else []))
    monkeypatch.setattr(up, "engine_of", lambda *_: engine)
    monkeypatch.setattr(up, "_deploy_whole", lambda *_: next(runs))
    monkeypatch.setattr(up, "changed_logins", lambda *_: [])
    code = up.run(Namespace(stack="prod", config_file=tmp_path / "Pulumi.prod.yaml"))
    if holds_data:
        assert (code, engine.told) == (255, [])
    else:
        # The state is told first: a run that is killed in between is no way back to a managed cluster.
        assert (code, engine.told) == (0, [("state", "self-hosted"), ("trellis:mode", "self-hosted")])


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
