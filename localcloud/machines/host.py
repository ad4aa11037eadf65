"""What a computer must offer so that machines can run on it."""

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from localcloud.machines import cgroup, kernel_rules
from localcloud.machines.errors import HostUnfit, MachineError
from localcloud.machines.programs import run

NAMESPACES = ("--mount", "--pid", "--uts", "--ipc", "--cgroup")
"""What a machine has of its own. The network is not among it."""

CAPABILITIES = (
    "-net_admin,-sys_module,-sys_time,-sys_rawio,-mknod,-syslog,-bpf,-perfmon,-checkpoint_restore,-block_suspend,"
    "-wake_alarm,-mac_admin,-mac_override,-audit_control,-audit_read,-sys_pacct"
)
"""What root in a machine may not do: it reaches beyond the machine, or nothing there needs it. In setpriv's words."""

_PROGRAMS = ("unshare", "nsenter", "setpriv", "pivot_root", "losetup", "mkfs.ext4")
_TRIAL = 'mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"'


@dataclass(frozen=True)
class Host:
    """This computer. images: folder with one root file system an image slug; None when there are none."""

    images: Path | None

    def slugs(self) -> tuple[str, ...]:
        """The images there are."""
        if self.images is None or not self.images.is_dir():
            return ()
        return tuple(sorted(entry.name for entry in self.images.iterdir() if (entry / "usr/lib/systemd").is_dir()))

    def image(self, slug: str) -> Path:
        """The root file system of an image. Raises HostUnfit."""
        if self.images is None or slug not in self.slugs():
            raise HostUnfit(
                f"There is no root file system for the image {slug}: {self.images or 'no folder'} has none."
            )
        return self.images / slug

    def require(self, slug: str, folder: Path) -> None:
        """Raises HostUnfit, naming all that is missing, unless machines of this image can run in `folder`."""
        missing = self._missing()
        if missing:
            raise HostUnfit(f"Droplets cannot run on this computer: {'; '.join(missing)}.")
        self._try_out(self.image(slug), folder)

    def _missing(self) -> list[str]:
        if not sys.platform.startswith("linux"):
            return ["they need Linux"]
        tree = cgroup.hierarchy()
        demands = {
            "the local cloud must run as root": os.geteuid() == 0,
            "no file system of control groups of version 2 is mounted": tree is not None,
            "the kernel must be Linux 5.14 or newer": _kernel() >= (5, 14),
            "there are no loop devices (/dev/loop-control)": Path("/dev/loop-control").exists(),
            "no image is there; give --droplet-images": bool(self.slugs()),
        }
        return [text for text, met in demands.items() if not met] + [
            f"the program {name} is not installed"
            for name in _PROGRAMS
            if not any(Path(place, name).exists() for place in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"))
        ]

    def _try_out(self, image: Path, folder: Path) -> None:
        """A container may run us as root and still forbid namespaces or mounts."""
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            for name in ("upper", "work", "root"):
                Path(scratch, name).mkdir()
            try:
                kernel_rules.check()
                run("unshare", *NAMESPACES, "--fork", "sh", "-c", _TRIAL, "sh", str(image), scratch)
            except MachineError as problem:
                raise HostUnfit(f"Droplets cannot run on this computer: {problem}") from problem


def _kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
