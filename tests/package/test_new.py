"""`trellis new` with the built wheels, outside the checkout: what it writes is deployed as it stands."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.package.machine import PYTHON, Machine
from tests.ports import free_port
from tests.stacks.harness import servers_of
from tools import ROOT
from trellis.development.bring import bring


@pytest.fixture(scope="module")
def shop(machine: Machine) -> Path:
    """A repository as `trellis new shop` writes it, but for the port of its local cloud."""
    machine.must(str(machine.programs / "trellis"), "new", "shop")
    stack = machine.folder / "shop" / "Pulumi.dev.yaml"
    stack.write_text(stack.read_text().replace(":7080", f":{free_port()}"))
    return machine.folder / "shop"


@pytest.fixture
def up(machine: Machine, shop: Path) -> Iterator[str]:
    """What `make up` printed in it. In the end it is down again."""
    bring()
    try:
        yield machine.must("make", "up", f"PYTHON={PYTHON}", at=shop)
    finally:
        down = machine.must("make", "down", at=shop)
        machine.must("make", "clean", at=shop)
    assert "Destroying" in down
    assert not servers_of(shop)
    assert not (shop / ".trellis").exists()


def test_from_nothing_to_a_table_of_ones_own(machine: Machine, shop: Path, up: str) -> None:
    assert "shop-db, database shop: schema at version 1.0.0, 2 migrations applied" in up
    assert "digitalocean-databases" in up
    machine.must(str(shop / ".venv/bin/trellis"), "new", "migration", "Orders", at=shop)
    orders = shop / "migrations/shop/shop/V1.1.0__Orders.sql"
    orders.write_text("CREATE TABLE orders (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item TEXT NOT NULL);\n")
    assert orders.name in machine.must("make", "preview", at=shop)
    assert f"1 migration applied\n      {orders.name}" in machine.must("make", "up", at=shop)
    query = "INSERT INTO orders (item) VALUES ('lamp') RETURNING item"
    service = "PGSERVICEFILE=.trellis/connect/dev/pg_service.conf .venv/bin/psql service=shop-pool"
    assert "lamp" in machine.must("sh", "-c", f'{service} -c "{query}"', at=shop)


def test_components_are_typed_and_the_local_cloud_is_a_program(machine: Machine) -> None:
    program = machine.folder / "typed.py"
    wrong = 'NetworkArgs(region="nyc1", ip_range="10.0.0.0/16", protect="yes")'
    program.write_text(f"from trellis.components.network import NetworkArgs\n\n{wrong}\n")
    # The environment's own interpreter is named, so that mypy looks where the wheels are.
    options = ("--python-executable", str(machine.programs / "python"), "--cache-dir", str(machine.folder / "cache"))
    done = subprocess.run(
        (sys.executable, "-m", "mypy", *options, str(program)),
        cwd=machine.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'Argument "protect" to "NetworkArgs" has incompatible type "str"' in done.stdout, done.stdout + done.stderr
    assert "usage: " in machine.must(str(machine.programs / "python"), "-m", "localcloud", "--help")


def test_the_version(machine: Machine) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cloud = tomllib.loads((ROOT / "localcloud" / "pyproject.toml").read_text())["project"]
    assert project["version"] == cloud["version"]
    assert project["optional-dependencies"]["localcloud"] == [f"trellis-localcloud=={cloud['version']}"]
    said = machine.must(str(machine.programs / "trellis"), "--version")
    assert said.startswith(f"trellis {project['version']}\nengine ")
    assert "\npulumi-digitalocean 4." in said


def test_the_workflows_are_some_that_github_takes(machine: Machine, shop: Path) -> None:
    workflows = sorted((shop / ".github" / "workflows").iterdir())
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows")
    done = subprocess.run((*command, *map(str, workflows)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # The same actions, pinned as they are here.
    here = "".join(path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    written = "".join(path.read_text() for path in workflows)
    assert set(re.findall(r"uses: .*", written)) <= set(re.findall(r"uses: .*", here))
    # The installed command takes each line of theirs.
    calls = set(re.findall(r"bin/trellis (.*?) \S?--stack", written))
    assert calls == {"up", "jobs run --due", "dev postgresql", "status", "backup", "drill"}
    for call in calls:
        machine.must(str(machine.programs / "trellis"), *call.split(), "--help")
