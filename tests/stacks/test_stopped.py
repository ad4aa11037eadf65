"""`trellis up` stopped by Ctrl-C, SIGTERM or SIGKILL: nothing of it lives on, and the next run goes on to the end.

All of it in the environment of an ordinary shell: Python buffers what it writes to a pipe, and the engine reads ports.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from localcloud import daemon
from tests.stacks.harness import LocalStack, local_stack, program_copy, wait_for
from tools import ROOT
from trellis.development.bring import Parts
from trellis.development.dev import schema
from trellis.development.progress import Failure
from trellis.operations.processes import MARKS

ORDINARY = ("HOME", "PATH", "USER", "LANG", "TERM", "TRELLIS_CACHE", MARKS)

# What `make up` does, in a workspace of the test's own: its folder, the local cloud's port, the program.
UP = """
import sys
from pathlib import Path
from tools import command
from trellis.development.bring import bring
from trellis.development.dev import Stack
from trellis.development.workspace import Workspace

def up():
    folder, port, program = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    workspace = Workspace(folder=folder, port=port, parts=bring(), python=Path(sys.executable))
    stack = Stack(workspace, "dev", folder / "Pulumi.dev.yaml", program)
    stack.prepare()
    stack.up()
    return 0

command.run(up)
"""

Run = subprocess.Popen[str]


@pytest.fixture(scope="module")
def stack(parts: Parts) -> Iterator[LocalStack]:
    with program_copy() as program, local_stack(parts, root=program) as stack:
        yield stack


@pytest.fixture
def run(stack: LocalStack) -> Iterator[Run]:
    """An `up` that waits for its cluster, and would for a long time."""
    stack.api("POST", "/_local/faults", {"fault": "stuck", "path": "^/v2/databases$", "method": "POST"})
    since = len(stack.journal())
    with start(stack) as run:
        wait_for(lambda: run.poll() is not None or ("POST", "/v2/databases") in stack.changes(since))
        assert run.poll() is None, run.communicate()[0]
        yield run
        run.kill()
    stack.must("destroy", "--yes", "--skip-preview")


def start(stack: LocalStack) -> Run:
    """A run that leads a process group, as a command typed into a terminal does."""
    command = [sys.executable, "-c", UP, str(stack.workspace.folder), str(stack.workspace.port), str(stack.root)]
    environment = {name: os.environ[name] for name in ORDINARY if name in os.environ}
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment, process_group=0, **output)  # type: ignore[call-overload,no-any-return]


def interrupted(run: Run, _stack: LocalStack) -> None:
    os.killpg(run.pid, signal.SIGINT)


def terminated(run: Run, _stack: LocalStack) -> None:
    run.terminate()


def killed(run: Run, _stack: LocalStack) -> None:
    run.kill()


def engine_killed(_run: Run, stack: LocalStack) -> None:
    for pid, command in living(stack).items():
        if command[0] == "pulumi":
            os.kill(pid, signal.SIGKILL)


def all_killed(run: Run, stack: LocalStack) -> None:
    run.kill()
    for pid, command in living(stack).items():
        if command[0] == "pulumi" or "trellis" in command:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("stop", "code"),
    [(interrupted, 130), (terminated, 143), (killed, -9), (engine_killed, 1), (all_killed, -9)],
    ids=["Ctrl-C", "SIGTERM", "SIGKILL", "SIGKILL of the engine", "SIGKILL of all"],
)
def test_nothing_outlives_a_stopped_up(
    run: Run, stack: LocalStack, stop: Callable[[Run, LocalStack], None], code: int
) -> None:
    assert any("pulumi.dynamic" in command for command in living(stack).values())
    stop(run, stack)
    said, _ = run.communicate(timeout=300)
    assert run.returncode == code, said
    # Pulumi's host may print a traceback of its own, where the program learns of the end before it is interrupted.
    assert not re.search(rf'File "({re.escape(str(ROOT))}|{re.escape(str(stack.root))})/(?!\.venv)', said), said
    wait_for(lambda: not living(stack))
    stack.api("DELETE", "/_local/faults")
    with start(stack) as again:
        said, _ = again.communicate()
    assert again.returncode == 0, said
    # A kill while Pulumi writes one of these makes its state unreadable.
    assert list(stack.workspace.backend.rglob("*.attrs")) == []


def test_a_plugin_killed_while_a_cluster_is_made(run: Run, stack: LocalStack) -> None:
    """The create fails, the cloud goes on with it: the same run finds the cluster and goes on to the end."""
    (plugin,) = (pid for pid, command in living(stack).items() if "localcloud.providers.digitalocean" in command)
    os.kill(plugin, signal.SIGKILL)
    stack.api("DELETE", "/_local/faults")
    said, _ = run.communicate()
    assert run.returncode == 0, said
    assert len(stack.api("GET", "/v2/databases")["databases"]) == 1
    stack.must("preview", "--expect-no-changes")


def test_migrations_are_named_by_the_run_that_applied_them(stack: LocalStack) -> None:
    started = datetime.now(UTC)
    stack.up()
    (report,) = stack.outputs()["migrations"]["villa-db"].values()
    told = schema(report, started)
    assert told[0] == "schema at version 1.0.6, 9 migrations applied"
    assert told[1] == "  V1.0.0__Extensions.sql"
    assert len(told) == 10
    assert schema(report, datetime.now(UTC)) == ["schema at version 1.0.6, nothing to apply"]


@contextmanager
def ending(stack: LocalStack, cancel: str) -> Iterator[None]:
    """Meanwhile the digitalocean plugin answers the engine's farewell with this expression."""
    (plugin,) = stack.workspace.pulumi_home.glob("plugins/*/pulumi-resource-digitalocean")
    whole = plugin.read_text()
    program = (
        "import os; from google.protobuf.empty_pb2 import Empty; from localcloud.providers.servicer import Servicer; "
        f"Servicer.Cancel = lambda *_: {cancel}; "
        "import runpy; runpy.run_module('localcloud.providers.digitalocean', run_name='__main__')"
    )
    plugin.write_text(whole.replace("-m localcloud.providers.digitalocean", f'-c "{program}"'))
    try:
        yield
    finally:
        plugin.write_text(whole)


def test_a_plugin_that_ends_when_all_is_done_fails_the_run(stack: LocalStack) -> None:
    """The engine has settled its exit code by then, tells of the error and ends with 0."""
    stack.up()
    with ending(stack, "os._exit(1)"):
        shown = stack.pulumi("preview", "--config-file", str(stack.config_file))
        assert "exited prematurely" in shown.text
        assert shown.code == 0, "the engine has learned to fail here: operations.deployment need not any more"
        upped = stack.try_up()
        assert upped.code == 1, upped.text
        assert "error: `pulumi up` told of an error" in upped.text
        with pytest.raises(Failure, match="failed with exit code 1"):
            stack.stack.preview()


def test_a_plugin_that_ends_when_all_is_destroyed_costs_a_second_run(
    stack: LocalStack, capfd: pytest.CaptureFixture[str]
) -> None:
    """The second run starts no plugin, for it finds nothing to destroy."""
    stack.up()
    with ending(stack, "os._exit(1)"):
        stack.stack.destroy()
    shown = capfd.readouterr()
    assert "error: `pulumi destroy` told of an error" in shown.err
    assert "A second run tells whether all is done." in shown.err
    assert stack.api("GET", "/v2/databases")["databases"] == []


def test_a_plugin_that_ends_once_when_all_is_done_costs_a_second_run(stack: LocalStack, tmp_path: Path) -> None:
    stack.up()
    once = tmp_path / "once"
    once.touch()
    with ending(stack, f"(os.remove('{once}'), os._exit(1)) if os.path.exists('{once}') else Empty()"):
        done = stack.try_up()
        assert not once.exists()
        once.touch()
        stack.stack.preview()
    assert not once.exists()
    assert "A second run tells whether all is done." in done.text
    assert done.code == 0, done.text


def living(stack: LocalStack) -> dict[int, list[str]]:
    """The command lines of what was started for the stack, without its cloud."""
    cloud = daemon.find(stack.workspace.cloud_state)
    assert cloud is not None
    mark = stack.workspace.backend.as_uri().encode()
    found: dict[int, list[str]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (entry / "environ").read_bytes() and cloud.pid not in lineage(int(entry.name)):
                found[int(entry.name)] = (entry / "cmdline").read_text(errors="replace").split("\0")
    return found


def lineage(pid: int) -> list[int]:
    """The process and those above it."""
    if pid <= 1:
        return []
    return [pid, *lineage(int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]))]
