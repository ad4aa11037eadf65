"""Programs of Debian, unpacked into a folder and run from there: nothing is installed, and nobody needs to be root.

They come from one fixed suite whatever the machine runs, so that Debian 12, Debian 13 and Ubuntu have the same ones.
apt fetches them with lists, a cache and a state of its own, under the machine's configuration (proxies, certificates),
and checks Debian's signatures. Each program then uses the loader and the libraries that lie beside it.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trellis.development.progress import Failure

REVISION = "2026-11-26"
"""Moved to fetch every package anew, in the version that the suite has then: security updates arrive by this line."""

MIRROR = "TRELLIS_DEBIAN_MIRROR"
"""Environment variable with the address of a mirror of Debian's archive, where the machine's own has none."""

MANIFEST = "packages"
"""File with a line for each package that was unpacked: its name and its version."""

_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_LOADER = "ld-linux-x86-64.so.2"
_KEYRINGS = ("debian-archive-keyring.gpg", "debian-archive-keyring.pgp")

# Parts of a kept folder that no program needs. The just-in-time compiler alone would double the whole.
_LEFT_OUT = ("**/bitcode", "**/llvmjit*", "**/locale", "**/man", "**/testdata")
# Packages that others depend on and nothing here uses, by the beginnings of their names: two thirds of a download.
_NOT_FETCHED = ("libc-l10n", "libllvm", "libperl", "libz3", "locales", "mesa-libgallium", "perl")

_CONFIGURATION = """\
Dir::State "{folder}/state";
Dir::State::Lists "{folder}/lists";
Dir::State::status "{status}";
Dir::Cache "{folder}/cache";
Dir::Cache::Archives "{folder}/archives";
#clear APT::Architectures;
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "1";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""
_SUITE = """\
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Trusted "{keyring}";
Dir::Etc::TrustedParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
"""

Run = Callable[..., str]
"""Runs a command (`at=` names the folder to run it in), returns its output, and raises Failure when it fails."""


@dataclass(frozen=True, kw_only=True)
class Programs:
    """Packages of a suite, and patterns of the files to keep of them. The libraries that these need come along.

    title: what they are, for people.
    rewritten: a file, and a folder that it names and that is looked for below the place of the programs instead.
    """

    title: str
    suite: str
    packages: tuple[str, ...]
    kept: tuple[str, ...]
    rewritten: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """A name for what this makes: another one when any of it, or REVISION, changes."""
        text = "\n".join((REVISION, self.suite, *self.packages, "", *self.kept, "", *(self.rewritten or ())))
        return f"{self.suite}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def unpack(self, folder: Path, place: Path, run: Run) -> None:
        """Makes the programs in `folder`. They run once it is moved to `place`, and nowhere else."""
        with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacked-") as name:
            unpacked = Path(name)
            with _archive(self.suite, run) as apt:
                fetched = apt.fetch(self.packages)
                for package in fetched:
                    run("dpkg", "-x", str(package), str(unpacked))
            _keep(self.kept, unpacked, folder)
            files = [path for path in sorted(folder.rglob("*")) if unpacked not in path.parents and _is_elf(path)]
            _add_libraries(files, unpacked, folder / _LIBRARIES)
        for path in files:
            _use_own_libraries(path, place)
        if self.rewritten:
            file, named = folder / self.rewritten[0], self.rewritten[1]
            file.write_text(file.read_text().replace(named, f"{place}{named}"))
        lines = sorted(" ".join(package.name.split("_")[:2]).replace("%3a", ":") for package in fetched)
        (folder / MANIFEST).write_text("\n".join(lines) + "\n")


SYSTEM_NEEDS = ("apt-get", "dpkg", "perl", "chroot", "unshare")
"""The programs that `system` runs."""


def system(folder: Path, suite: str, packages: Iterable[str], run: Run, *options: str) -> None:
    """Makes a whole Debian in `folder` with these packages, its own apt included. Root alone can.

    options: further ones of mmdebstrap.
    """
    with _archive(suite, run) as apt, tempfile.TemporaryDirectory() as scratch:
        tool = Path(scratch)
        for package in apt.download("mmdebstrap"):
            run("dpkg", "-x", str(package), scratch)
        run(
            # What it mounts goes with it, also when it is killed.
            "unshare",
            "--mount",
            "perl",
            str(tool / "usr/bin/mmdebstrap"),
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            "--format=directory",
            f"--keyring={apt.keyring}",
            f"--include={','.join(packages)}",
            *options,
            suite,
            str(folder),
            *apt.sources,
        )


@dataclass(frozen=True, kw_only=True)
class _Apt:
    """apt with a folder of its own. sources: one-line entries; empty: the machine's own sources and keys."""

    folder: Path
    run: Run
    sources: tuple[str, ...] = ()
    keyring: Path | None = None

    def __post_init__(self) -> None:
        for name in ("lists/partial", "cache", "archives/partial", "state"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        status = self.folder / "status"
        status.touch()
        text = _CONFIGURATION.format(folder=self.folder, status=status)
        if self.sources:
            (self.folder / "sources.list").write_text("\n".join(self.sources) + "\n")
            text += _SUITE.format(folder=self.folder, keyring=self.keyring)
        (self.folder / "apt.conf").write_text(text)

    def get(self, *arguments: str, at: Path | None = None) -> str:
        return self.run("apt-get", "--config-file", str(self.folder / "apt.conf"), *arguments, at=at)

    def fetch(self, packages: Sequence[str]) -> list[Path]:
        """The packages and all that they depend on, libc included, less what nothing here uses."""
        plan = self.get("--simulate", "install", *packages)
        needed = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
        return self.download(*(name for name in needed if not name.startswith(_NOT_FETCHED)))

    def download(self, *packages: str) -> list[Path]:
        """The packages themselves."""
        target = Path(tempfile.mkdtemp(dir=self.folder))
        self.get("--quiet=2", "download", *packages, at=target)
        return sorted(target.glob("*.deb"))


@contextmanager
def _archive(suite: str, run: Run) -> Iterator[_Apt]:
    """apt for a suite, its lists fetched. Raises Failure with what to do when the archive cannot be reached."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        machine = _Apt(folder=folder / "machine", run=run)
        mirror, security = _mirror(machine)
        keyring = _keyring(machine)
        sites = [(mirror, suite), (mirror, f"{suite}-updates")]
        if security:
            sites.append((security, f"{suite}-security"))
        sources = tuple(f"deb [target=Packages] {site} {name} main" for site, name in sites)
        apt = _Apt(folder=folder / suite, run=run, sources=sources, keyring=keyring)
        try:
            apt.get("--quiet=2", "update")
        except Failure as failure:
            raise Failure(
                f"Debian's archive at {mirror} cannot be read; it has the programs that are missing here. Is there a"
                f" network? Another mirror is named by {MIRROR}.\n{failure}"
            ) from failure
        yield apt


def _mirror(machine: _Apt) -> tuple[str, str | None]:
    """The addresses of Debian's archive and of its security updates: the machine's own where it has them."""
    named = os.environ.get(MIRROR, "").rstrip("/")
    sites = re.findall(r"^'(\S+?)/*/dists/\S+/main/binary-amd64/", machine.get("--print-uris", "update"), re.MULTILINE)
    if not named:
        named = next((site for site in sites if "debian" in site.split("/")), "") or _usual_mirror(machine)
    security = next((site for site in sites if "debian-security" in site.split("/")), None)
    if security is None and named.endswith("/debian"):
        security = f"{named}-security"
    return named, security


def _usual_mirror(machine: _Apt) -> str:
    """The mirror that Debian's installer takes, as this distribution packages it."""
    for path in _from_machine(machine, "debootstrap", "usr/sbin/debootstrap"):
        if found := re.search(r'^DEF_MIRROR="(\S+)"', path.read_text(), re.MULTILINE):
            return found[1].rstrip("/")
    raise Failure(f"No mirror of Debian's archive is known here. Name one by {MIRROR}.")


def _keyring(machine: _Apt) -> Path:
    """Debian's keys: of this machine, else as this distribution packages them."""
    folder = Path("/usr/share/keyrings")
    installed = [folder / name for name in _KEYRINGS if (folder / name).exists()]
    found = installed or _from_machine(machine, "debian-archive-keyring", *(f"{folder}/{name}" for name in _KEYRINGS))
    if not found:
        raise Failure("Debian's keys are missing, so nothing of Debian can be checked. Install debian-archive-keyring.")
    return found[0]


def _from_machine(machine: _Apt, package: str, *files: str) -> list[Path]:
    """Files of a package of this machine's own distribution, which need not be installed."""
    unpacked = machine.folder / package
    if not unpacked.exists():
        machine.get("--quiet=2", "update")
        for archive in machine.download(package):
            machine.run("dpkg", "-x", str(archive), str(unpacked))
    return [path for name in files if (path := unpacked / name.lstrip("/")).exists()]


def _keep(patterns: Iterable[str], unpacked: Path, folder: Path) -> None:
    for pattern in patterns:
        found = sorted(unpacked.glob(pattern))
        if not found:
            raise Failure(f"Debian's packages no longer hold {pattern}. Trellis needs a change for it.")
        for path in found:
            target = folder / path.relative_to(unpacked)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    for pattern in _LEFT_OUT:
        for path in [path for path in folder.glob(pattern) if unpacked not in path.parents]:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _add_libraries(files: Sequence[Path], unpacked: Path, libraries: Path) -> None:
    """Copies the libraries that the files need, the libraries of these, and so on."""
    libraries.mkdir(parents=True, exist_ok=True)
    sources = [unpacked / _LIBRARIES, unpacked / _LIBRARIES.removeprefix("usr/")]
    sources += (folder for folder in sorted(sources[0].glob("*")) if folder.is_dir())
    names = {name for path in files for name in _needed(path)}
    if names:
        names.add(_LOADER)
    while names:
        name = names.pop()
        if (libraries / name).exists():
            continue
        source = next((folder / name for folder in sources if (folder / name).exists()), None)
        if source is None:
            raise Failure(f"Debian's packages no longer hold the library {name}. Trellis needs a change for it.")
        shutil.copy2(source, libraries / name)
        if _asked("--print-rpath", source):
            # With a path of its own it would look for what it needs there, and not beside it.
            _patchelf("--remove-rpath", str(libraries / name))
        names |= _needed(libraries / name)


def _is_elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _needed(path: Path) -> set[str]:
    return set(_asked("--print-needed", path).split())


def _use_own_libraries(path: Path, place: Path) -> None:
    """Makes a program start with the loader and the libraries below `place`. Leaves libraries as they are."""
    if not _asked("--print-interpreter", path):
        return
    libraries = str(place / _LIBRARIES)
    # RPATH, not RUNPATH: it holds for what the program's libraries need, too.
    for change in (("--set-interpreter", f"{libraries}/{_LOADER}"), ("--force-rpath", "--set-rpath", libraries)):
        done = _patchelf(*change, str(path))
        if done.returncode:
            raise Failure(f"{path.name} cannot be given its own libraries: {done.stderr.strip()}")


def _asked(question: str, path: Path) -> str:
    """What patchelf says of a file; nothing where the file has no such thing."""
    return _patchelf(question, str(path)).stdout.strip()


def _patchelf(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("patchelf")
    return subprocess.run((program, *arguments), capture_output=True, text=True, check=False)
