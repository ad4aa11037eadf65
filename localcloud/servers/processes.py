"""Finding, starting and stopping server processes without ever touching someone else's.

A server is recognised by its working directory, which lies in its own cluster's folder. That holds for processes
started by an earlier run of the local cloud too, so nothing but the folder is needed to find them again.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud.servers.account import Account
from localcloud.waiting import until

LOG_LIMIT = 10 * 1024 * 1024
"""Bytes after which a log is set aside (`<name>.1`) at the next start."""

_children: dict[int, subprocess.Popen[bytes]] = {}
_children_lock = threading.Lock()


@dataclass(frozen=True)
class Process:
    """One running process: the number alone may be given to another process after this one ends."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """The process with this number, or None when there is none or it has ended and only awaits its parent."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The second field is the program's name in parentheses and may hold anything.
        fields = text.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    def alive(self) -> bool:
        return Process.of(self.pid) == self

    def works_in(self, folder: Path) -> bool:
        """Whether the working directory is `folder` or lies inside it."""
        try:
            directory = str(Path(f"/proc/{self.pid}/cwd").readlink()).removesuffix(" (deleted)")
        except OSError:  # ended meanwhile, or another account's: not one of ours
            return False
        root = str(folder.resolve())
        return directory == root or directory.startswith(f"{root}/")

    def signal(self, number: int) -> None:
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def wait(self, seconds: float) -> bool:
        """Whether the process ended within `seconds`."""
        ended = until(lambda: not self.alive(), seconds, pause=0.01)
        reap()
        return ended

    def stop(self, *steps: tuple[int, float]) -> bool:
        """Send each signal in turn, with the seconds to wait after it, until the process has ended."""
        for number, seconds in steps:
            self.signal(number)
            if self.wait(seconds):
                return True
        return not self.alive()


def within(folder: Path) -> tuple[Process, ...]:
    """The processes whose working directory is `folder` or lies inside it."""
    candidates = (Process.of(int(entry.name)) for entry in os.scandir("/proc") if entry.name.isdigit())
    return tuple(process for process in candidates if process is not None and process.works_in(folder))


def stop_within(folder: Path) -> None:
    """End every process in `folder`, whose files are about to be removed."""
    for step, seconds in ((signal.SIGTERM, 5.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 10.0)):
        processes = within(folder)
        for process in processes:
            process.signal(step)
        for process in processes:
            process.wait(seconds)


def spawn(
    command: Sequence[str], *, folder: Path, log: Path, account: Account, environment: Mapping[str, str] | None = None
) -> Process:
    """Start a server in `folder`, its output appended to `log`.

    It gets a session of its own, so that a Ctrl-C in the terminal reaches the local cloud and not, half way through
    an orderly stop, its servers.
    """
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_name(f"{log.name}.1"))
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    account.own(log)
    try:
        child = subprocess.Popen(
            list(command),
            cwd=folder,
            # Not the caller's, whose client certificates are none of a server's that connects to another one.
            env=clean_environment(environment) | {"HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            **account.process_options(),
        )
    finally:
        os.close(descriptor)
    with _children_lock:
        _children[child.pid] = child
    process = Process.of(child.pid)
    return process if process is not None else Process(child.pid, 0)


def run(
    command: Sequence[str], folder: Path, account: Account, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run one of a server's tools in `folder` to its end."""
    return subprocess.run(
        command,
        cwd=folder,
        env=clean_environment(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        start_new_session=True,
        **account.process_options(),
    )


def reap() -> None:
    """Collect the exit status of children that have ended, so that they do not stay behind as zombies."""
    with _children_lock:
        for pid in [pid for pid, child in _children.items() if child.poll() is not None]:
            del _children[pid]


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a server: nothing of the caller's that PostgreSQL would read, and no locale."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_")) and name != "LANG"}
    return {**kept, **(extra or {})}
