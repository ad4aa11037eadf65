"""`make test` and pytest itself, stopped half way: no server that a test started lives on."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.localcloud.cloud import ROOT, wait_until
from tests.stacks.harness import open_folder

TESTS = """
import time
from pathlib import Path

def test_that_takes_its_time(cloud, cluster):
    (Path(__file__).parent / "ready").touch()
    time.sleep(3600)
"""
# A step of `make test`, with one test file in place of all.
CHECK = """
import sys
from tools import check, command
command.run(lambda: check._run(("pytest", (sys.executable, "-m", "pytest", *sys.argv[1:]))))
"""


@pytest.mark.parametrize(
    ("whole_group", "number", "code"),
    [(True, signal.SIGINT, 130), (False, signal.SIGTERM, 143), (False, signal.SIGKILL, -9)],
    ids=["Ctrl-C", "SIGTERM", "SIGKILL"],
)
def test_stopped_tests_leave_no_server(whole_group: bool, number: int, code: int) -> None:
    with open_folder() as folder:
        (folder / "test_slow.py").write_text(TESTS)
        options = ("-n", "1", "-p", "tests.conftest", "-p", "tests.localcloud.conftest", "-p", "no:cacheprovider")
        with subprocess.Popen(
            [sys.executable, "-c", CHECK, *options, f"--rootdir={folder}", str(folder / "test_slow.py")],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        ) as run:
            wait_until(lambda: run.poll() is not None or (folder / "ready").exists(), "the test to start")
            assert run.poll() is None, run.communicate()[0]
            assert any("postgres" in command for command in living(folder))
            (os.killpg if whole_group else os.kill)(run.pid, number)
            said, _ = run.communicate()
        assert run.returncode == code, said
        assert "Traceback" not in said
        wait_until(lambda: not living(folder), "the servers to end")


def living(folder: Path) -> list[str]:
    """The command lines that name something in the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (entry / "cmdline").read_text(errors="replace")
            if str(folder) in command:
                found.append(command)
    return found
