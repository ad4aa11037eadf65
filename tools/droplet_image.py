"""The root file system that Droplets of the local cloud start from: Debian 12, made by mmdebstrap."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

SUITE = "bookworm"
SLUG = "debian-12-x64"
"""DigitalOcean's name for the image."""

INSTALLED = (
    # What makes it a Droplet.
    "cloud-init",
    "dbus",
    "libpam-systemd",
    "openssh-client",
    "psmisc",
    "systemd",
    "systemd-sysv",
    "udev",
    # What DigitalOcean's image has and scripts take for granted.
    "ca-certificates",
    "cron",
    "curl",
    "e2fsprogs",
    "gnupg",
    "iproute2",
    "less",
    "locales",
    "logrotate",
    "lsb-release",
    "nano",
    "netcat-openbsd",
    "openssl",
    "procps",
    "python3",
    "rsync",
    "sudo",
    "tzdata",
    "wget",
)
DOWNLOADED = ("pgbouncer", "postgresql-15", "rclone")
"""Packages that `apt-get install` finds in its cache, so that it needs no network for them."""

_FINISH = """
set -e
: > "$1/etc/machine-id"
rm -f "$1/etc/hostname"
chroot "$1" apt-get clean
chroot "$1" apt-get -qq --yes --option APT::Install-Recommends=true --download-only install {packages}
"""


def revision() -> str:
    """A name for what this file would make: another one when it changes."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]


def possible() -> bool:
    """Whether it can be made here. Droplets need root anyway."""
    return os.geteuid() == 0 and all(shutil.which(program) for program in ("apt-get", "perl", "chroot"))


def build(folder: Path, run: Callable[..., str]) -> None:
    """Makes `folder`/SLUG with `run`, which runs a command or raises. Takes about a minute and 600 MB."""
    folder.chmod(0o755)
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)
        run("apt-get", "-qq", "download", "mmdebstrap", at=Path(scratch))
        for package in Path(scratch).glob("*.deb"):
            run("dpkg", "-x", str(package), scratch)
        finish = Path(scratch, "finish")
        finish.write_text("#!/bin/sh" + _FINISH.format(packages=" ".join(DOWNLOADED)))
        finish.chmod(0o755)
        run(
            "perl",
            str(Path(scratch, "usr/bin/mmdebstrap")),
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            "--format=directory",
            f"--include={','.join(INSTALLED)}",
            "--skip=cleanup/apt",
            f"--customize-hook={finish}",
            SUITE,
            str(folder / SLUG),
        )
