"""Says at once everything that this machine lacks, each with the command that brings it. `make` runs it first.

It runs on any Python 3, because an old one is among the things it finds: nothing newer stands here than Python 3.6 has.
"""

import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path

OLDEST = (3, 11)
SERVERS = ("LOCALCLOUD_POSTGRESQL", "LOCALCLOUD_PGBOUNCER", "LOCALCLOUD_VALKEY")
CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")

# Gigabytes that a first run takes at most: the virtual environment; the parts; what building Pulumi needs meanwhile.
ENVIRONMENT, PARTS, BUILD = 1, 1, 4

# What is missing -> the packages that have it: of Debian and Ubuntu, of Fedora, of Homebrew on macOS.
PACKAGES = {
    "python": ("python3", "python3.13", "python@3.13"),
    "venv": ("python3-venv", "python3", "python@3.13"),
    "git": ("git", "git", "git"),
    "certificates": ("ca-certificates", "ca-certificates", "ca-certificates"),
    "zones": ("tzdata", "tzdata", ""),
}
MANAGERS = (("apt-get", "sudo apt-get install"), ("dnf", "sudo dnf install"), ("brew", "brew install"))


def lacking(servers: bool) -> "list[tuple[str, str]]":
    """What is missing here: its key in PACKAGES, or nothing where no package helps, and what to say of it.

    servers: whether the local cloud is to run here, too.
    """
    found = []
    if sys.version_info < OLDEST:
        this = f"{sys.executable} is {platform.python_version()}"
        found.append(("python", f"Python 3.11 or later: {this}. Or name another: make PYTHON=..."))
    elif any(importlib.util.find_spec(name) is None for name in ("venv", "ensurepip")):
        found.append(("venv", "Python's modules venv and ensurepip, for the virtual environment"))
    if shutil.which("git") is None:
        found.append(("git", "git"))
    known = os.environ.get("SSL_CERT_FILE") or sys.platform != "linux"
    if not known and not any(Path(path).exists() for path in CERTIFICATES):
        found.append(("certificates", "the certificates of public authorities"))
    if servers:
        found += _lacking_for_servers()
    needed = ENVIRONMENT + (_room() if servers else 0)
    place = next(folder for folder in (cache() / "x").parents if folder.is_dir()) if servers else Path.cwd()
    free = shutil.disk_usage(str(place)).free / 1e9
    if free < needed:
        found.append(("", f"room: a first run takes up to {needed} GB, and {place} has {free:.1f} GB"))
    return found


def _lacking_for_servers() -> "list[tuple[str, str]]":
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        this = f"{platform.system()} on {platform.machine()}"
        return [("", f"Linux on x86-64, for the local cloud: this is {this}. For DigitalOcean itself: make venv")]
    found = []
    if not Path("/usr/share/zoneinfo").is_dir():
        found.append(("zones", "the time zones' data, which PostgreSQL reads"))
    named = all(os.environ.get(name) for name in SERVERS) and shutil.which("pulumi")
    if not named and not (shutil.which("apt-get") and shutil.which("dpkg")):
        text = "apt-get and dpkg of Debian or Ubuntu, which bring the servers. Or install Pulumi, and set "
        found.append(("", text + ", ".join(SERVERS)))
    return found


def _room() -> int:
    built = shutil.which("pulumi") or (cache() / "pulumi").is_dir()
    return PARTS + (0 if built else BUILD)


def cache() -> Path:
    """The folder that parts are brought into."""
    if os.environ.get("TRELLIS_CACHE"):
        return Path(os.environ["TRELLIS_CACHE"]).absolute()
    if os.geteuid() == 0:
        return Path("/var/cache/trellis")
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "trellis")  # noqa: PTH111


def _commands(keys: "list[str]") -> "list[str]":
    """The commands that bring the packages: of this machine's package manager, or of all where it has none we know."""
    here = [number for number, (program, _) in enumerate(MANAGERS) if shutil.which(program)][:1]
    lines = []
    for number in here or range(len(MANAGERS)):
        names = [PACKAGES[key][number] for key in keys if PACKAGES[key][number]]
        if names:
            lines.append(f"{MANAGERS[number][1]} {' '.join(dict.fromkeys(names))}")
    return lines


def main() -> int:
    """Prints what is missing; exit code 1 when anything is."""
    found = lacking(servers="--servers" in sys.argv[1:])
    if not found:
        return 0
    print("error: this machine lacks:\n" + "\n".join(f"  {text}" for _, text in found), file=sys.stderr)
    commands = _commands([key for key, _ in found if key])
    if commands:
        print("Bring it with:\n" + "\n".join(f"  {line}" for line in commands), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
