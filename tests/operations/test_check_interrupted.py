"""However `trellis check` ends, no server of its shadow run and no folder is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.migrator.conftest import Write
from tests.migrator.servers import server_folder
from tests.operations.conftest import ROOT

_PATIENCE = 120.0


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_an_end_in_the_midst_of_a_migration(write: Write, how: signal.Signals, code: int) -> None:
    folder = write({"V1__A.sql": "SELECT pg_sleep(1e6);"})
    with server_folder() as temporary:
        process = subprocess.Popen(
            [sys.executable, "-m", "trellis", "check", "--folder", folder, "--all"],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        await_(lambda: sleeps(temporary), process)
        assert processes_in(temporary)
        process.send_signal(how)
        _, said = process.communicate(timeout=_PATIENCE)
        assert process.returncode == code, said
        await_(lambda: not processes_in(temporary) and not list(temporary.iterdir()))


def test_an_end_while_the_server_starts(write: Write) -> None:
    folder = write({"V1__A.sql": "SELECT 1;"})
    with server_folder() as temporary:
        process = subprocess.Popen(
            [sys.executable, "-m", "trellis", "check", "--folder", folder, "--all"],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await_(lambda: any(temporary.glob("trellis-shadow-*/data")), process)
        process.kill()
        process.wait(_PATIENCE)
        await_(lambda: not processes_in(temporary) and not list(temporary.iterdir()))


def sleeps(temporary: Path) -> bool:
    """Whether the migration is under way on the throw-away server."""
    for place in temporary.glob("trellis-shadow-*/.s.PGSQL.5432"):
        try:
            with psycopg.connect(host=str(place.parent), port=5432, user="trellis shadow", dbname="template1") as found:
                query = "SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(1e6)%' AND wait_event = 'PgSleep'"
                return found.execute(query).fetchone() is not None
        except psycopg.OperationalError:
            return False
    return False


def processes_in(folder: Path) -> list[int]:
    """The processes that work in a folder or name it among their arguments, those of pytest left out."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            at = (place / "cwd").readlink()
            named = str(folder).encode() in (place / "cmdline").read_bytes()
        except OSError:
            continue
        if named or at.is_relative_to(folder):
            found.append(int(place.name))
    return found


def await_(met: Callable[[], bool], process: "subprocess.Popen[str] | subprocess.Popen[bytes] | None" = None) -> None:
    """Waits until it is met; the process has to live meanwhile."""
    deadline = time.monotonic() + _PATIENCE
    while not met():
        assert process is None or process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
