"""Starting programs and ending them with all that they started."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.stacks.harness import wait_for
from tools import ROOT
from trellis.operations import processes

# Starts a command that notes each interrupt in a file, and tells how it ended.
OWNER = """
import sys
from pathlib import Path
from trellis.operations import processes
processes.heed_termination()
try:
    done = processes.run([sys.executable, "-c", Path("child.py").read_text()], grace=float(sys.argv[1]))
    print("ended with", done.returncode)
except KeyboardInterrupt as stopped:
    sys.exit(processes.exit_code(stopped))
"""
# Ends after so many interrupts. Its own child has a session of its own and heeds nothing but SIGKILL.
CHILD = """
import os, pathlib, signal, subprocess, sys
stubborn = "import signal, time\\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\\ntime.sleep(3600)"
noted = []
signal.signal(signal.SIGINT, lambda *_: noted.append(1) or pathlib.Path("noted").write_text(str(len(noted))))
grandchild = subprocess.Popen([sys.executable, "-c", stubborn], start_new_session=True) if {stubborn} else None
pathlib.Path("ready").touch()
while len(noted) < {interrupts}:
    signal.pause()
"""


def owner(folder: Path, child: str, grace: float = 600, prefix: Sequence[str] = ()) -> "subprocess.Popen[str]":
    (folder / "child.py").write_text(child)
    run = subprocess.Popen(
        [*prefix, sys.executable, "-c", OWNER, str(grace)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    wait_for(lambda: run.poll() is not None or (folder / "ready").exists())
    assert run.poll() is None, run.communicate()[0]
    return run


def living(folder: Path) -> list[str]:
    return [entry.name for entry in Path("/proc").glob("[0-9]*") if _cwd(entry) == folder]


def _cwd(entry: Path) -> Path | None:
    try:
        return (entry / "cwd").readlink()
    except OSError:
        return None


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_the_whole_group_is_one_interrupt(tmp_path: Path, number: int, code: int) -> None:
    run = owner(tmp_path, CHILD.format(interrupts=1, stubborn=False))
    os.killpg(run.pid, number)
    said, _ = run.communicate()
    assert (run.returncode, said) == (code, "")
    assert (tmp_path / "noted").read_text() == "1"


def test_a_second_one_is_handed_on_and_a_third_one_kills(tmp_path: Path) -> None:
    run = owner(tmp_path, CHILD.format(interrupts=99, stubborn=True))
    for count in ("1", "2"):
        run.send_signal(signal.SIGINT)
        wait_for(lambda count=count: (tmp_path / "noted").exists() and (tmp_path / "noted").read_text() == count)  # type: ignore[misc]
    run.send_signal(signal.SIGINT)
    assert run.wait() == 130
    assert living(tmp_path) == []


def test_what_does_not_end_in_its_time_is_killed_with_all_it_started(tmp_path: Path) -> None:
    run = owner(tmp_path, CHILD.format(interrupts=99, stubborn=True), grace=0.5)
    run.terminate()
    assert run.wait() == 143
    assert living(tmp_path) == []


def test_a_job_in_a_shells_background_ignores_an_interrupt_and_heeds_sigterm(tmp_path: Path) -> None:
    background = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
    run = owner(tmp_path, CHILD.format(interrupts=1, stubborn=False), prefix=background)
    os.killpg(run.pid, signal.SIGINT)
    run.terminate()
    assert run.wait() == 143
    assert (tmp_path / "noted").read_text() == "1"


def test_output_input_and_exit_code() -> None:
    done = processes.run(["sh", "-c", "cat; echo no >&2; exit 3"], capture=True, input_text="yes")
    assert (done.returncode, done.stdout, done.stderr) == (3, "yes", "no\n")


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        processes.run(["no-such-program"])


def test_what_a_shells_background_starts_can_be_interrupted() -> None:
    child = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    program = (
        "import os, signal, subprocess, sys\n"
        "from trellis.operations.processes import heed_termination\n"
        "heed_termination()\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        f"subprocess.run([sys.executable, '-c', {child!r}], check=True)\n"
    )
    background = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
    done = subprocess.run((*background, sys.executable, "-c", program), capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
