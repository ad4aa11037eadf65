"""Programs that this one starts, and their end: none outlives whoever started it.

A started program and all that it starts in turn carry a mark in their environment. It finds them again after the
program between them is gone, and wherever they have moved: Pulumi's plugins lead process groups of their own.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

MARKS = "TRELLIS_STARTED_BY"
INTERRUPTED = 130
TERMINATED = 143
GRACE_SECONDS = 60.0
"""What an interrupted program gets to finish what it is at and to write it down."""

_SWEEP_SECONDS = 30.0
_KILL_SECONDS = 10.0
_POLL_SECONDS = 0.05


class Terminated(KeyboardInterrupt):
    """SIGTERM: an interrupt that no terminal sent."""


def exit_code(stopped: KeyboardInterrupt) -> int:
    """What a program that was stopped so ends with."""
    return TERMINATED if isinstance(stopped, Terminated) else INTERRUPTED


def heed_termination() -> None:
    """From now on SIGTERM raises Terminated, so that whoever waits can clean up."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, stop)
    # Dropped here: what is ignored, as in a shell's background, is so in every program that is started, too, and Pulumi
    # ends its own by this signal, or waits five seconds for them.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, _drop)


def _drop(_number: int, _frame: FrameType | None) -> None:
    pass


def run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    capture: bool = False,
    input_text: str | None = None,
    grace: float = GRACE_SECONDS,
) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end and leaves nothing of it behind, also where this process is killed meanwhile.

    The first SIGINT or SIGTERM is handed on as one interrupt, and so is a second one: the command leads a process
    group of its own, for what a terminal interrupts twice at once ends without writing down what it did. `grace`
    seconds later, or at a third signal, all is killed.
    Raises FileNotFoundError where there is no such program; when the command has ended, KeyboardInterrupt after a
    SIGINT and Terminated after a SIGTERM.
    """
    environment = dict(os.environ if env is None else env)
    if shutil.which(command[0], path=environment.get("PATH")) is None:
        raise FileNotFoundError(command[0])
    pipe = subprocess.PIPE if capture else None
    with guard(environment) as mark, _Interrupts(mark, grace) as interrupts:
        child = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL if input_text is None else subprocess.PIPE,
            stdout=pipe,
            stderr=pipe,
            process_group=0,
        )
        interrupts.hand_on_to(child)
        try:
            out, err = child.communicate(input_text)
        finally:
            if child.returncode is None or child.returncode < 0 or interrupts.first:
                sweep(mark)
    interrupts.raise_first()
    return subprocess.CompletedProcess(command, child.returncode, out or "", err or "")


class _Interrupts:
    """While it is entered, SIGINT and SIGTERM are handed on to a child instead of raised here."""

    def __init__(self, mark: str, grace: float) -> None:
        self.first: int | None = None
        self._mark = mark
        self._count = 0
        self._child: subprocess.Popen[str] | None = None
        self._killer = threading.Timer(grace, self._kill)
        self._killer.daemon = True
        self._handlers: dict[int, object] = {}

    def __enter__(self) -> "_Interrupts":
        # Python tells the main thread alone of signals.
        if threading.current_thread() is threading.main_thread():
            # Caught before the child starts: what is ignored here, as in a shell's background, would be so there too.
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._killer.cancel()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def hand_on_to(self, child: "subprocess.Popen[str]") -> None:
        """The child that gets what comes, and what has come."""
        self._child = child
        if self.first is not None:
            self._hand_on(child)

    def raise_first(self) -> None:
        """Raises what was held back."""
        if self.first is not None:
            raise Terminated if self.first == signal.SIGTERM else KeyboardInterrupt

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._handlers.get(number) in (signal.SIG_IGN, _drop):
            return
        self.first = self.first or number
        if self._child is not None:
            self._hand_on(self._child)

    def _hand_on(self, child: "subprocess.Popen[str]") -> None:
        self._count += 1
        if self._count == 1:
            self._killer.start()
        if self._count <= 2:
            child.send_signal(signal.SIGINT)
        else:
            self._kill()

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()
        sweep(self._mark, patience=0)


@contextmanager
def guard(environment: MutableMapping[str, str]) -> Iterator[str]:
    """Marks an environment meanwhile, and gives the mark; a watcher ends what has it should this process be killed."""
    mark = f"{os.getpid()}-{time.time_ns()}"
    command = (sys.executable, "-I", "-S", __file__, mark)
    # The watcher holds the read end of a pipe: only the end of this process closes the other one.
    watcher = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    before = environment.get(MARKS)
    environment[MARKS] = " ".join(filter(None, (before, mark)))
    try:
        yield mark
    finally:
        if before is None:
            del environment[MARKS]
        else:
            environment[MARKS] = before
        watcher.kill()
        watcher.wait()
        if watcher.stdin is not None:
            watcher.stdin.close()


def sweep(mark: str, patience: float = _SWEEP_SECONDS) -> None:
    """Ends every process that carries the mark, from the top down, so that each can end those that it started itself.

    patience: seconds until all are killed.
    """
    started = time.monotonic()
    asked: set[int] = set()
    while (parents := _marked(mark)) and time.monotonic() < started + patience + _KILL_SECONDS:
        for pid, parent in parents.items():
            with suppress(ProcessLookupError):
                if time.monotonic() >= started + patience:
                    os.kill(pid, signal.SIGKILL)
                elif parent not in parents and pid not in asked:
                    os.kill(pid, signal.SIGTERM)
                    asked.add(pid)
        time.sleep(_POLL_SECONDS)


def _marked(mark: str) -> dict[int, int]:
    """Every living process that carries the mark, and its parent."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        # One that ends meanwhile, or another account's, is none of ours.
        with suppress(OSError):
            if mark.encode() in (entry / "environ").read_bytes():
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return found


if __name__ == "__main__":
    sys.stdin.buffer.read()
    sweep(sys.argv[1])
