"""A volume: a file that a loop device shows as a disk."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud.machines.errors import MachineError
from localcloud.machines.programs import run
from localcloud.servers.account import Account
from localcloud.servers.state import load, save

_BYTES_PER_GIB = 1024**3
_SPEC = "volume.json"


@dataclass(frozen=True, kw_only=True)
class _Spec:
    name: str
    filesystem: str


class Volume:
    """The disk in `folder`. Its file is sparse: it takes only what was written."""

    def __init__(self, folder: Path) -> None:
        spec = load(_Spec, folder / _SPEC)
        self.folder = folder
        self.name = spec.name
        self.filesystem = spec.filesystem
        """Kind of the file system it was made with; "" for a raw disk."""

    @classmethod
    def create(cls, folder: Path, *, name: str, gib: int, filesystem: str, label: str) -> "Volume":
        """Makes the disk, formatted where `filesystem` says how. What an interrupted creation left is replaced."""
        cls.discard(folder)
        folder.mkdir(parents=True, mode=0o700)
        image = folder / "disk"
        with image.open("wb") as file:
            file.truncate(gib * _BYTES_PER_GIB)
        if filesystem:
            run(f"mkfs.{filesystem}", "-q", *(("-L", label) if label else ()), str(image))
        save(_Spec(name=name, filesystem=filesystem), folder / _SPEC, Account.resolve(None))
        return cls(folder)

    @classmethod
    def discard(cls, folder: Path) -> None:
        """Removes the disk and all data on it. Idempotent."""
        if folder.exists():
            _detach(folder / "disk")
            shutil.rmtree(folder)

    @property
    def link(self) -> str:
        """The name under /dev/disk/by-id, as on DigitalOcean."""
        return f"scsi-0DO_Volume_{self.name}"

    @property
    def mount_point(self) -> str:
        """Where DigitalOcean mounts a formatted volume."""
        return f"/mnt/{self.name.replace('-', '_')}"

    def attach(self) -> Path:
        """The disk's block device on this computer; the same one when it has one already."""
        return _device(self.folder / "disk") or Path(run("losetup", "--find", "--show", str(self.folder / "disk")))

    def detach(self) -> None:
        """Gives the block device back. Idempotent."""
        _detach(self.folder / "disk")

    def resize(self, gib: int) -> None:
        """Enlarges the disk, also under a running machine. The file system on it is its owner's to enlarge."""
        image = self.folder / "disk"
        with image.open("r+b") as file:
            if gib * _BYTES_PER_GIB < image.stat().st_size:
                raise MachineError(f"Volume {self.name} cannot shrink to {gib} GiB. Nothing was changed.")
            file.truncate(gib * _BYTES_PER_GIB)
        device = _device(image)
        if device is not None:
            run("losetup", "--set-capacity", str(device))


def _devices(image: Path) -> Sequence[Path]:
    return list(map(Path, run("losetup", "--noheadings", "--output", "NAME", "--associated", str(image)).split()))


def _device(image: Path) -> Path | None:
    return next(iter(_devices(image)), None)


def _detach(image: Path) -> None:
    if image.exists():
        for device in _devices(image):
            run("losetup", "--detach", str(device))
