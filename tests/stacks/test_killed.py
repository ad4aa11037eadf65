"""`pulumi up` stopped with SIGKILL: the next run goes on to the end, and nothing is made twice."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stacks.harness import STACK, LocalStack, local_stack, wait_for
from tools import ROOT
from trellis.development.bring import Parts

# The moment: the first request of this kind has reached the cloud. Its answer may or may not be in the state.
MOMENTS = [
    pytest.param(("POST", "/v2/databases"), id="while the cluster is made"),
    pytest.param(("PUT", "/firewall"), id="just before the migrations"),
    pytest.param(("POST", "/pools"), id="while the pool is made"),
]


@pytest.fixture
def fresh(parts: Parts) -> Iterator[LocalStack]:
    with local_stack(parts) as stack:
        yield stack


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_up_is_run_again_to_the_end(fresh: LocalStack, moment: tuple[str, str]) -> None:
    _kill_at(fresh, moment)
    # What `make up` does before it deploys: drop the dead run's lock, take in what it left, go on.
    fresh.stack.prepare()
    fresh.up()
    fresh.must("preview", "--expect-no-changes")
    assert [vpc["name"] for vpc in fresh.api("GET", "/v2/vpcs")["vpcs"] if not vpc["default"]] == ["villa-vpc"]
    (cluster,) = fresh.api("GET", "/v2/databases")["databases"]
    assert cluster["name"] == "villa-db"
    with fresh.connect(fresh.outputs()["pooled_uris"]["villa-db"]["villa-pool"]) as connection:
        assert connection.execute("SELECT count(*) FROM profiles").fetchone() == (0,)


def _kill_at(stack: LocalStack, moment: tuple[str, str]) -> None:
    command = ["pulumi", "up", "--yes", "--skip-preview", "--stack", STACK, "--non-interactive"]
    run = subprocess.Popen(
        [*command, "--config-file", str(stack.config_file)],
        cwd=ROOT,
        env=stack.stack.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    method, path = moment
    try:
        wait_for(
            lambda: run.poll() is not None or any(made == method and at.endswith(path) for made, at in stack.changes())
        )
        assert run.poll() is None, "the run ended before the moment came"
    finally:
        # Plugins lead process groups of their own and outlive their engine, so they are found before it dies.
        started = _descendants(run.pid)
        run.kill()
        run.wait()
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    # A child belongs to the thread that started it, and the engine has many.
    threads = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [found for children in threads for child in map(int, children) for found in (child, *_descendants(child))]
