"""One machine: its files, its start and its end."""

import contextlib
import hashlib
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud import files
from localcloud.machines import cgroup, kernel_rules, seed
from localcloud.machines.cgroup import Cgroup
from localcloud.machines.errors import MachineError, StartFailed
from localcloud.machines.filters import Walls
from localcloud.machines.host import CAPABILITIES, NAMESPACES, Host
from localcloud.machines.programs import run
from localcloud.machines.seed import MachineSpec
from localcloud.machines.volume import Volume
from localcloud.servers import processes
from localcloud.servers.account import Account
from localcloud.servers.state import load, save
from localcloud.waiting import until

START_PATIENCE = 60.0
"""Seconds until systemd must run."""
STOP_PATIENCE = 60.0
"""Seconds services get to end when the machine is switched off."""

_SCRIPTS = Path(__file__).parent
_SPEC = "machine.json"
_LOG = "boot.log"
_CLOUD_INIT = "upper/var/log/cloud-init-output.log"
_POWER_OFF = signal.SIGRTMIN + 4
"""What systemd takes for `systemctl poweroff`."""


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What a machine remembers."""

    name: str
    private_address: str
    image_folder: str


class Machine:
    """The machine in `folder`. Every method may raise MachineError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        known = load(_Known, folder / _SPEC)
        self._image = Path(known.image_folder)
        self._name = known.name
        self._address = known.private_address
        self._cgroup = _group(self.folder)

    @classmethod
    def create(cls, folder: Path, spec: MachineSpec, host: Host) -> "Machine":
        """Makes the machine's files. It has not booted yet. Raises HostUnfit."""
        image = host.image(spec.image)
        cls.discard(folder)
        for name in ("upper", "work", "root"):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o700)
        seed.plant(folder / "upper", spec)
        # What is on the disk of a machine fits this very image only, even when a newer one has taken its place.
        known = _Known(name=spec.name, private_address=spec.private_address, image_folder=str(image))
        save(known, folder / _SPEC, Account.resolve(None))
        return cls(folder)

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether a completely created machine lives in `folder`."""
        return (folder / _SPEC).exists()

    @staticmethod
    def discard(folder: Path) -> None:
        """Ends every process of the machine in `folder` and removes its files. Idempotent."""
        if folder.exists():
            if cgroup.hierarchy() is not None:
                _group(folder.absolute()).remove()
            shutil.rmtree(folder)

    def running(self) -> bool:
        return self._cgroup.populated()

    def keep_to(self, walls: Walls) -> None:
        """Has the kernel hold the machine to these firewalls, from the next packet on. Nothing when it is off."""
        with contextlib.suppress(FileNotFoundError):
            kernel_rules.hold(self._cgroup.folder, walls.programs())

    def start(self, volumes: Sequence[Volume], walls: Walls) -> None:
        """Boots the machine with these volumes and waits for its systemd, not for cloud-init. Nothing when it runs.

        Raises StartFailed.
        """
        if self.running():
            return
        if not self._image.is_dir():
            raise StartFailed(f"The machine {self._name} was made from {self._image}, which is gone. Make a new one.")
        (self._cgroup.folder / "machine").mkdir(parents=True, exist_ok=True)
        kernel_rules.give(self._cgroup.folder, self._address)
        self.keep_to(walls)
        supervise, boot, plugs = (str(_SCRIPTS / name) for name in ("supervise.sh", "boot.sh", "volumes.sh"))
        words = [word for volume in volumes for word in _words(volume)]
        command = ["sh", supervise, str(self._cgroup.folder), boot, str(self._image), str(self.folder), self._name]
        log = self.folder / _LOG
        process = processes.spawn(
            [*command, plugs, *words],
            folder=self.folder,
            log=log,
            account=Account.resolve(None),
            environment={"MACHINE_CAPABILITIES": CAPABILITIES},
        )
        until(lambda: self._accepts_orders() or not process.alive(), START_PATIENCE)
        if not self._accepts_orders():
            self._cgroup.remove()
            raise StartFailed(f"The machine {self._name} did not boot. The end of {log}:\n{files.tail(log)}")

    def stop(self) -> None:
        """Switches the machine off: its services end in order, or are killed when they take too long."""
        leader = self._leader()
        if leader is not None:
            os.kill(leader, _POWER_OFF)
            self._cgroup.wait_until_empty(STOP_PATIENCE)
        self._cgroup.remove()
        processes.reap()

    def attach(self, volume: Volume) -> None:
        """Plugs a volume into the machine while it runs."""
        self._plug("attach", volume)

    def detach(self, volume: Volume) -> None:
        """Takes a volume out of the machine while it runs; programs that use it are ended."""
        self._plug("detach", volume)

    def console(self) -> str:
        """What the boot and cloud-init printed so far."""
        return "".join(log.read_text("utf-8", "replace") for log in self.logs.values() if log.exists())

    @property
    def logs(self) -> Mapping[str, Path]:
        """Log files: "boot", and "cloud-init" with what user data printed."""
        return {"boot": self.folder / _LOG, "cloud-init": self.folder / _CLOUD_INIT}

    def enter(self, command: Sequence[str]) -> tuple[str, ...]:
        """The command line that runs `command` as the machine's root. Raises MachineError when it does not run."""
        return (*self._inside(), "setpriv", f"--bounding-set={CAPABILITIES}", "--", *command)

    def _leader(self) -> int | None:
        return Cgroup(self._cgroup.folder / "machine").leader()

    def _accepts_orders(self) -> bool:
        """Whether systemd is far enough to be told something."""
        leader = self._leader()
        return leader is not None and Path("/proc", str(leader), "root", "run", "systemd", "private").exists()

    def _inside(self) -> tuple[str, ...]:
        leader = self._leader()
        if leader is None:
            raise MachineError(f"The machine {self._name} does not run.")
        return ("nsenter", "--target", str(leader), *NAMESPACES)

    def _plug(self, what: str, volume: Volume) -> None:
        script = (_SCRIPTS / "volumes.sh").read_text("utf-8") + f'\nset -eu\n{what} "$@"\n'
        run(*self._inside(), "sh", "-s", *_words(volume), stdin=script)


def _words(volume: Volume) -> tuple[str, ...]:
    device = volume.attach()
    number = device.stat().st_rdev
    return (
        f"{os.major(number)}:{os.minor(number)}",
        device.name,
        volume.link,
        volume.mount_point,
        volume.filesystem or "-",
    )


def _group(folder: Path) -> Cgroup:
    """The control group of the machine in `folder`: found again by any process that knows the folder."""
    tree = cgroup.hierarchy() or Path("/sys/fs/cgroup")
    return Cgroup(tree / f"localcloud-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}")
