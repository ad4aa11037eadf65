"""The root file system that Droplets of the local cloud start from: Debian 12."""

import hashlib
import tempfile
from pathlib import Path

from trellis.development import debian

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
DOWNLOADED = (
    # Of a self-hosted server.
    "pgbouncer",
    "postgresql-15",
    "rclone",
    # Of a machine for monitoring.
    "prometheus",
    "prometheus-alertmanager",
    "prometheus-sql-exporter",
)
"""Packages that `apt-get install` finds in its cache, so that it needs no network for them."""

_FINISH = """
set -e
: > "$1/etc/machine-id"
rm -f "$1/etc/hostname"
chroot "$1" apt-get clean
chroot "$1" apt-get -qq --yes --option APT::Install-Recommends=true --download-only install {packages}
"""


def revision() -> str:
    """A name for what this makes: another one when any of it changes."""
    text = "\n".join((debian.REVISION, SUITE, *INSTALLED, "", *DOWNLOADED, _FINISH))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def build(folder: Path, run: debian.Run) -> None:
    """Makes `folder`/SLUG with `run`, which runs a command or raises. Takes about a minute and 600 MB. Needs root."""
    folder.chmod(0o755)
    with tempfile.TemporaryDirectory() as scratch:
        finish = Path(scratch, "finish")
        finish.write_text("#!/bin/sh" + _FINISH.format(packages=" ".join(DOWNLOADED)))
        finish.chmod(0o755)
        options = ("--skip=cleanup/apt", f"--customize-hook={finish}")
        debian.system(folder / SLUG, SUITE, INSTALLED, run, *options)
