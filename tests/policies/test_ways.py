"""The pack as a folder, which the official CLI takes, and its settings. The other tests use it as an executable."""

import json
import os
import select
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from policies.kinds import FIREWALL
from tests.policies.engine import EXECUTABLE, STACKS, Previews
from tests.stacks.harness import open_folder, wait_for
from trellis.development.bring import Parts, bring


@pytest.fixture(scope="module")
def parts() -> Parts:
    return bring()


@pytest.fixture(scope="module")
def engine(parts: Parts) -> Iterator[Previews]:
    with open_folder() as folder:
        yield Previews(folder, parts)


def test_the_folder(engine: Previews, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's language host before 3.100 starts a folder as a program. Under another name the engine does not ask it,
    and starts the folder by PulumiPolicy.yaml, with the virtual environment named there."""
    programs = tmp_path / "bin"
    shutil.copytree(parts.pulumi, programs)
    (programs / "pulumi-language-python").rename(programs / "pulumi-language-shop")
    (tmp_path / "Pulumi.yaml").write_text(f"name: shop\nruntime: shop\nmain: {STACKS}/\n")
    path = os.pathsep.join(map(str, (programs, Path(sys.executable).parent, "/usr/bin", "/bin")))
    monkeypatch.setitem(engine.environment, "PATH", path)
    done = engine.preview("trusted_source_range", project=tmp_path, pack=EXECUTABLE.parent)
    assert done.code != 0
    assert done.broken() == {"trusted-source-range"}, done.text


ORDINARY = {"PATH": os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin")), "HOME": str(Path.home())}


@pytest.mark.parametrize(
    "command",
    [(EXECUTABLE,), (sys.executable, EXECUTABLE.parent), (sys.executable, "-m", "pulumi.policy")],
    ids=["executable", "folder", "SDK"],
)
def test_its_port_is_told_at_once_and_it_ends_with_its_engine(command: tuple[str | Path, ...]) -> None:
    """However an engine starts it, in an environment where Python buffers what it writes to a pipe."""
    pack = shlex.join(map(str, (*command, "127.0.0.1:9", EXECUTABLE.parent)))
    engine = subprocess.Popen(["sh", "-c", f"{pack} & echo $!; wait"], stdout=subprocess.PIPE, env=ORDINARY, cwd="/")
    assert engine.stdout is not None
    told: list[bytes] = []
    for _ in range(2):
        assert select.select([engine.stdout], [], [], 120)[0], f"nothing but {told} within two minutes"
        told.append(os.read(engine.stdout.fileno(), 64))
        if len(b"".join(told).split()) == 2:
            break
    pid, port = map(int, b"".join(told).split())
    assert 0 < port < 65536
    engine.kill()
    engine.wait()
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
    engine.stdout.close()


def test_a_preview_in_an_ordinary_shell(engine: Previews, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in engine.environment if name.startswith("PYTHON") and name != "PYTHONPATH"]:
        monkeypatch.delitem(engine.environment, name)
    done = engine.preview("trusted_source_range")
    assert done.broken() == {"trusted-source-range"}, done.text


@pytest.mark.parametrize(
    ("program", "settings"),
    [
        ("data_protected", {"stack": {"phase": "launch"}, "monthly-budget": {"usd": 139}}),
        ("data_protected", {"stack": {"phase": "growth", "developmentStacks": ["prod"]}}),
        ("monthly_budget", {"stack": {"phase": "scale"}, "monthly-budget": {"usd": 1000}}),
        ("pool_mode_transaction", {"stack": {"phase": "scale"}, "pool-mode-transaction": {"sessions": ["shop-pool"]}}),
    ],
    ids=["phase", "development", "budget", "exception"],
)
def test_settings_let_a_program_pass(engine: Previews, program: str, settings: dict[str, object]) -> None:
    done = engine.preview(program, settings=settings)
    assert done.code == 0, done.text
    assert done.broken() == set()


def test_a_stack_without_a_phase_is_told_what_did_not_run(engine: Previews) -> None:
    done = engine.preview("data_protected", settings={})
    assert done.code == 0, done.text
    assert "stack" in done.broken("advisory")


def test_wrong_settings_are_refused(engine: Previews) -> None:
    done = engine.preview("keeps_all", settings={"stack": {"phase": "giant"}, "monthly-budget": {"usd": "much"}})
    assert done.code != 0
    assert "stack: phase: phase must be one of the following" in done.text
    assert "monthly-budget: usd: Invalid type" in done.text


def test_what_a_preview_postpones_stops_up_before_anything_is_made(parts: Parts) -> None:
    with open_folder() as folder:
        engine = Previews(folder, parts)
        previewed = engine.preview("learns_late")
        assert previewed.code == 0, previewed.text
        assert "trusted-source-range. Not known yet: rules[0].value." in previewed.text
        options = ("--yes", "--skip-preview", "--continue-on-error", "--policy-pack", str(EXECUTABLE))
        done = engine.pulumi("up", *options, PROGRAM="learns_late")
        assert done.returncode != 0
        assert "0.0.0.0/0 is the whole internet" in done.stdout
        (state,) = (folder / "state").rglob("prod.json")
        made = {resource["type"] for resource in json.loads(state.read_text())["checkpoint"]["latest"]["resources"]}
        assert "pulumi-python:dynamic/office:Office" in made
        assert FIREWALL not in made


CARELESS = """#!/usr/bin/env python3
from pulumi_policy import Severity
from policies.kinds import APP
from policies.pack import serve
from policies.rules import ResourceRule

def careless(resource, _config):
    for service in resource.made.props["spec"]["services"]:
        for variable in service["envs"]:
            yield variable[{key}]

facts = dict(protects="Nothing.", fix="Read with care.", source="https://example.com", severity=Severity.LOW)
serve("careless", [ResourceRule(name="careless", types=frozenset([APP]), check=careless, **facts)])
"""


@pytest.mark.parametrize(
    ("key", "said"),
    [('"value"', "could not run: string value at .spec.services.0.envs.0.value"), ("1 / 0", "division by zero")],
    ids=["unknown", "crash"],
)
def test_a_mandatory_policy_that_cannot_run_fails_the_preview(
    key: str, said: str, engine: Previews, tmp_path: Path
) -> None:
    pack = tmp_path / "careless.py"
    pack.write_text(CARELESS.format(key=key))
    pack.chmod(0o755)
    done = engine.preview("keeps_all", pack=pack)
    assert done.code != 0
    assert said in done.text
