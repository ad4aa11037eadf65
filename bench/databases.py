"""A deployment of 1, 10, 50 and 100 databases in one cluster: what each further one costs.

Counted in seconds of processor time: those of the program and its plugins, which must grow no faster than the number,
and the engine's own, which writes the whole state at each step. What the first few databases add is less than what the
start of a program varies by, and a machine is slower in one minute than in another. So all are deployed in turn,
several times, and the least of each counts.
"""

import os
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import yaml

from tests.stacks.harness import LocalStack, local_stack, program_copy
from tools import ROOT
from trellis.development.bring import Parts
from trellis.development.progress import Failure, step

COUNTS = (1, 10, 50, 100)
ROUNDS = 4
TABLES = "CREATE TABLE item (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);\n"


class Seconds(NamedTuple):
    """Processor time of one run: ours is that of the program and its plugins."""

    ours: float
    engine: float


def run(parts: Parts) -> None:
    """Deploys each system from nothing, and prints what a further database costs, against the first few."""
    rounds = [[_deploy(parts, count) for count in COUNTS] for _ in range(ROUNDS)]
    seconds = {count: _least(runs) for count, *runs in zip(COUNTS, *rounds, strict=True)}
    slopes = [
        Seconds(*((new - old) / (more - few) for new, old in zip(seconds[more], seconds[few], strict=True)))
        for few, more in pairwise(COUNTS)
    ]
    for (few, more), slope in zip(pairwise(COUNTS), slopes, strict=True):
        print(
            f"each database from {few} to {more}: {slope.ours / slopes[0].ours:.2f} x one of the first "
            f"{COUNTS[1]} ({slope.ours:.3f} and {slopes[0].ours:.3f} CPU s); with the engine's own "
            f"{sum(slope) / sum(slopes[0]):.2f} x ({sum(slope):.3f} and {sum(slopes[0]):.3f})",
            flush=True,
        )


def _least(runs: list[Seconds]) -> Seconds:
    ours, engine = zip(*runs, strict=True)
    return Seconds(ours=min(ours), engine=min(engine))


def _deploy(parts: Parts, count: int) -> Seconds:
    with program_copy() as program:
        _system(program, count)
        with local_stack(parts, "fleet", program) as stack, step(f"{count} databases"):
            options = ("--stack", stack.name, "--config-file", str(stack.config_file), "--non-interactive")
            return _seconds(("pulumi", "up", "--yes", "--skip-preview", *options), stack)


def _seconds(command: tuple[str, ...], stack: LocalStack) -> Seconds:
    with subprocess.Popen(
        command, cwd=stack.root, env=stack.stack.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as pulumi:
        # Until it is waited for, what it and its children used can be read.
        os.waitid(os.P_PID, pulumi.pid, os.WEXITED | os.WNOWAIT)
        fields = Path(f"/proc/{pulumi.pid}/stat").read_text().rpartition(")")[2].split()
    if pulumi.returncode:
        raise Failure(f"`{' '.join(command)}` failed with exit code {pulumi.returncode}")
    user, system, children_user, children_system = (int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:15])
    return Seconds(ours=children_user + children_system, engine=user + system)


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
