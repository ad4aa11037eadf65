"""One control group a machine: all of its processes, also those that outlived the program that started them."""

import os
from dataclasses import dataclass
from pathlib import Path

from localcloud.waiting import until


def hierarchy() -> Path | None:
    """Where control groups of version 2 are mounted, alone or beside those of version 1."""
    for line in Path("/proc/self/mounts").read_text("utf-8").splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    return None


@dataclass(frozen=True)
class Cgroup:
    """A control group by its folder. It may not exist."""

    folder: Path

    def populated(self) -> bool:
        """Whether any process is in it."""
        try:
            return "populated 1" in (self.folder / "cgroup.events").read_text("ascii")
        except OSError:
            return False

    def leader(self) -> int | None:
        """The process number of the machine's systemd once it has sorted itself in; None before."""
        try:
            numbers = (self.folder / "init.scope" / "cgroup.procs").read_text("ascii").split()
        except OSError:
            return None
        return int(numbers[0]) if numbers else None

    def wait_until_empty(self, seconds: float) -> bool:
        """Whether the last process ended within `seconds`."""
        return until(lambda: not self.populated(), seconds)

    def remove(self) -> None:
        """Kills what is in it and removes it. Idempotent."""
        if not self.folder.exists():
            return
        (self.folder / "cgroup.kill").write_text("1", "ascii")
        self.wait_until_empty(10.0)
        for parent, _, _ in os.walk(self.folder, topdown=False):
            Path(parent).rmdir()
