"""What every server process has in common: how it is found, started and stopped."""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from localcloud import files
from localcloud.servers import ports, processes
from localcloud.servers.account import Account
from localcloud.servers.errors import ServerError, StartFailed
from localcloud.servers.processes import Process


@dataclass(frozen=True, kw_only=True)
class Server(ABC):
    """A server whose files are in `folder`.

    label: how errors call it, for example "PostgreSQL of cluster 1b4e28ba".
    LOG: name of its log. PATIENCE: seconds it may take to come up.
    STOP_STEPS: signals, from the mildest to the last resort, each with the seconds to wait after it.
    """

    LOG: ClassVar[str]
    PATIENCE: ClassVar[float]
    STOP_STEPS: ClassVar[tuple[tuple[int, float], ...]]

    folder: Path
    label: str
    hosts: tuple[str, ...]
    port: int
    account: Account

    @property
    @abstractmethod
    def home(self) -> Path:
        """The working directory of its processes, by which they are told from all others."""

    @property
    @abstractmethod
    def pidfile(self) -> Path:
        """Where the server writes its process number."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves clients already."""

    @property
    def log(self) -> Path:
        return self.folder / self.LOG

    def process(self) -> Process | None:
        """The server's main process, started by this run of the local cloud or an earlier one."""
        processes.reap()
        try:
            pid = int(self.pidfile.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        process = Process.of(pid)
        return process if process is not None and process.works_in(self.home) else None

    def running(self) -> bool:
        return self.process() is not None

    def stop(self) -> None:
        """Stop the server. Idempotent. Raises ServerError when it cannot be stopped."""
        process = self.process()
        if process is not None and not process.stop(*self.STOP_STEPS):
            raise ServerError(f"{self.label} (process {process.pid}) does not stop. Its log: {self.log}")

    def launch(self, *command: str) -> None:
        """Start the program, and return when it answers. Raises PortTaken, StartFailed; then it does not run."""
        ports.require_free(self.hosts, self.port, self.label)
        seen = self.log_size()
        process = processes.spawn(command, folder=self.home, log=self.log, account=self.account)
        try:
            self.await_answer(process, seen)
        except BaseException:
            process.stop(*self.STOP_STEPS)
            raise

    def await_answer(self, process: Process | None, seen: int = 0) -> None:
        """Return when the server answers. seen: bytes of its log that are older. Raises StartFailed."""
        deadline = time.monotonic() + self.PATIENCE
        while process is not None and time.monotonic() < deadline:
            if self.answers():
                return
            if not process.alive():
                break
            time.sleep(0.01)
        processes.reap()
        raise StartFailed(
            f"{self.label} did not start. Its data is untouched. The end of {self.log}:\n{files.tail(self.log, seen)}"
        )

    def log_size(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0
