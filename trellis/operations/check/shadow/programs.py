"""Where PostgreSQL's programs are on this machine: a server of a major version, and pg_dump."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from trellis.operations.errors import OperationError

_SERVER = ("initdb", "pg_ctl", "postgres")

# Where distributions put the server's programs, most of them off the PATH.
_PACKAGED = ("/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin")

# For pg_dump: the schemas where TimescaleDB keeps its catalogue and the rows of hypertables.
WITHOUT_CHUNKS = "--exclude-schema=_timescaledb_*"


def server_programs(major: str, named: Path | None) -> Path:
    """The folder with initdb, pg_ctl and postgres of a major version.

    named: an installation, or a folder that holds one a major version, and nothing else is looked at; None looks at the
    PATH, where packages put it and where `make up` does. Raises OperationError when it is nowhere.
    """
    for folder in _places(major, named):
        if all(os.access(folder / program, os.X_OK) for program in _SERVER) and _major(folder / "postgres") == major:
            return folder
    if named is not None:
        raise OperationError(
            f"{named} holds no PostgreSQL {major}: initdb, pg_ctl and postgres of that version are expected in"
            f" {named}/{major}/bin or {named}/bin. Without a shadow run: --no-shadow."
        )
    raise OperationError(
        f"The shadow run needs the server programs of PostgreSQL {major}, and they are not on this machine. In a"
        f" checkout, `trellis dev postgresql` brings those of a stack; or install the package postgresql-{major}, or"
        " name a folder with --postgresql (TRELLIS_POSTGRESQL). Without a shadow run: --no-shadow."
    )


def dump_program(major: str) -> Path:
    """The newest pg_dump of a server's major version: an older one writes what newer servers keep to themselves.

    Without one of that version, the one of this environment, else the one on PATH. Raises OperationError when there is
    none.
    """
    own = [folder / "pg_dump" for folder in _places(major, None)]
    beside = Path(sys.executable).with_name("pg_dump")
    found = beside if beside.is_file() else shutil.which("pg_dump")
    others = [] if found is None else [Path(found)]
    same = [program for program in (*own, *others) if os.access(program, os.X_OK) and _major(program) == major]
    if same or others:
        return max(same, key=_version) if same else others[0]
    raise OperationError(
        "This needs pg_dump, and it is not on PATH. Install PostgreSQL's client programs. `trellis check` runs without:"
        " --no-shadow."
    )


def _places(major: str, named: Path | None) -> Iterator[Path]:
    if named is not None:
        yield from (named / major / "bin", named / "bin", named)
        return
    on_path = shutil.which("initdb")
    if on_path is not None:
        yield Path(on_path).resolve().parent
    yield from (Path(place.format(major)) for place in _PACKAGED)
    yield from sorted(_cache().glob(f"postgresql/*/{major}/bin"), key=_changed, reverse=True)


def _changed(folder: Path) -> float:
    return folder.stat().st_mtime


def _cache() -> Path:
    if cache := os.environ.get("TRELLIS_CACHE"):
        return Path(cache)
    if os.geteuid() == 0:
        return Path("/var/cache/trellis")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trellis"


def _major(program: Path) -> str:
    return _version(program)[0]


@cache
def _version(program: Path) -> tuple[str, int]:
    # "postgres (PostgreSQL) 17.10", with the packager's name behind it on some systems.
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r" (\d+)(?:\.(\d+))?", done.stdout)
    return (found[1], int(found[2] or 0)) if found else ("", 0)
