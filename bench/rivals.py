"""The other migration tools: how each is brought to this machine, names its files and is started."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.migrator.servers import ADMIN, PASSWORD
from tools import ROOT
from trellis.development.bring import cache_folder
from trellis.development.progress import Failure, step

_GO = Path(__file__).resolve().parent / "go"
_FLYWAY = ROOT / "tests" / "migrator" / "flyway"
_FLYWAY_VERSION = "13.0.0"


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A way to apply files. file_name: of the n-th. header: what a file begins with. history: whether it keeps one.

    command: from the server's port and the folder, to be run with `environment`.
    """

    name: str
    file_name: str
    command: Callable[[int, Path], Sequence[str]]
    header: str = ""
    history: bool = True


def environment() -> Mapping[str, str]:
    """The environment of the tools; libpq and its kin take the password from it."""
    return {**os.environ, "PGPASSWORD": PASSWORD}


def url(port: int) -> str:
    """The benchmark's database as libpq and its kin take it."""
    return f"postgresql://{ADMIN}@127.0.0.1:{port}/bench?sslmode=disable"


def tools() -> Sequence[Tool]:
    """This project first, then the others. Brings what is missing.

    Raises Failure when it cannot be brought.
    """
    go, flyway = _go_programs(), _flyway_classes()
    programs = ROOT / ".venv" / "bin"

    def psql(*options: str) -> Callable[[int, Path], Sequence[str]]:
        def command(port: int, folder: Path) -> Sequence[str]:
            files = [part for path in sorted(folder.iterdir()) for part in ("-f", str(path))]
            return (str(programs / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *options, url(port), *files)

        return command

    def run_flyway(port: int, folder: Path) -> Sequence[str]:
        jdbc = f"jdbc:postgresql://127.0.0.1:{port}/bench?sslmode=disable"
        return ("java", "-cp", flyway, "RunFlyway", jdbc, ADMIN, PASSWORD, str(folder), "migrate")

    def ours(port: int, folder: Path) -> Sequence[str]:
        return (str(programs / "trellis"), "migrate", "--url", url(port), "--folder", str(folder))

    def built(name: str) -> Callable[[int, Path], Sequence[str]]:
        return lambda port, folder: (str(go / name), url(port), str(folder))

    return (
        Tool(name="trellis migrate", file_name="V{:05}__t.sql", command=ours),
        Tool(name=f"Flyway core {_FLYWAY_VERSION}", file_name="V{:05}__t.sql", command=run_flyway),
        Tool(name="goose", file_name="{:05}_t.sql", command=built("goose"), header="-- +goose Up\n"),
        Tool(name="golang-migrate", file_name="{:05}_t.up.sql", command=built("golang-migrate")),
        Tool(name="psql -f, a transaction each", file_name="{:05}.sql", command=psql(), history=False),
        Tool(name="psql -1, one transaction", file_name="{:05}.sql", command=psql("-1"), history=False),
    )


def _go_programs() -> Path:
    folder = cache_folder() / "bench" / "go"
    with step("goose and golang-migrate, built from their Go modules"):
        _run("go", "build", "-mod=readonly", "-ldflags", "-s -w", "-o", f"{folder}/", "./...", at=_GO)
    return folder


def _flyway_classes() -> str:
    """The class path: Flyway's jars, and the program that calls it, compiled beforehand as Flyway's own is."""
    jars = cache_folder() / "flyway" / _FLYWAY_VERSION
    classes = cache_folder() / "bench" / "flyway"
    path = f"{classes}:{jars}/*"
    with step(f"Flyway core {_FLYWAY_VERSION}"):
        if not (jars / f"flyway-core-{_FLYWAY_VERSION}.jar").exists():
            pom = _FLYWAY / "pom.xml"
            _run("mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={jars}")
        _run("javac", "-cp", path, "-d", str(classes), str(_FLYWAY / "RunFlyway.java"))
    return path


def _run(*command: str, at: Path | None = None) -> None:
    done = subprocess.run(command, cwd=at, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise Failure(f"`{' '.join(command)}` failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")


def written(tool: Tool, count: int) -> tempfile.TemporaryDirectory[str]:
    """A folder with a tool's files, each of which makes a table and an index on it."""
    folder = tempfile.TemporaryDirectory(prefix="bench-")
    for number in range(1, count + 1):
        sql = (
            f"{tool.header}CREATE TABLE t{number} (id bigint PRIMARY KEY, name text NOT NULL);\n"
            f"CREATE INDEX t{number}_name ON t{number} (name);\n"
        )
        Path(folder.name, tool.file_name.format(number)).write_text(sql)
    return folder
