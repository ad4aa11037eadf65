"""A deployment of one, five and twenty databases in one cluster: the time must grow with their number, not faster."""

import time
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.stacks.harness import local_stack, program_copy
from tools import ROOT
from trellis.development.bring import Parts
from trellis.development.progress import step

COUNTS = (1, 5, 20)
TABLES = "CREATE TABLE item (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);\n"


def run(parts: Parts) -> None:
    """Deploys each system from nothing, and prints what a database more costs, and a preview without changes."""
    seconds = {count: _deploy(parts, count) for count in COUNTS}
    first_up, first_preview = seconds[COUNTS[0]]
    for count in COUNTS[1:]:
        up, preview = seconds[count]
        print(
            f"{count} databases: up {up / first_up:.2f} x one database ({up:.1f} s and {first_up:.1f} s), "
            f"{(up - first_up) / (count - 1):.2f} s for each one more; preview without changes "
            f"{preview / first_preview:.2f} x ({preview:.1f} s and {first_preview:.1f} s)",
            flush=True,
        )


def _deploy(parts: Parts, count: int) -> tuple[float, float]:
    with program_copy() as program:
        _system(program, count)
        with local_stack(parts, "fleet", program) as stack, step(f"{count} databases"):
            return _seconds(stack.up), _seconds(lambda: stack.must("preview", "--expect-no-changes"))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _system(program: Path, count: int) -> None:
    names = [f"store_{number}" for number in range(count)]
    for name in names:
        folder = program / "migrations" / "fleet" / name
        folder.mkdir(parents=True)
        (folder / "V1__Items.sql").write_text(TABLES)
    cluster = {
        "name": "fleet-db",
        "version": "17",
        "users": ["fleet_app"],
        "databases": {name: {} for name in names},
        "pools": {"fleet-pool": {"database": names[0], "user": "fleet_app"}},
    }
    system = {
        "name": "fleet",
        "region": "nyc1",
        "network": {"ip_range": "10.90.0.0/16"},
        "clusters": {"main": cluster},
    }
    (program / "systems" / "fleet.yaml").write_text(yaml.safe_dump(system))
    stack = yaml.safe_load((ROOT / "Pulumi.tudao.yaml").read_text())
    stack["config"] |= {"trellis:system": "fleet", "trellis:contacts": {"on-call": ["ops@fleet.example"]}}
    (program / "Pulumi.fleet.yaml").write_text(yaml.safe_dump(stack))
